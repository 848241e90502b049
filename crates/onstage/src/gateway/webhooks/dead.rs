//! `GET /v1/webhooks/dead`, newest first.
//! Does not send them again.

use crate::gateway::{
    call::{Call, Paging},
    problem::Answer,
    wire::{page, webhook},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    limit: Option<u32>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let paging = Paging {
        cursor: query.cursor,
        limit: query.limit,
    };
    let store = &call.state.parts.store;
    let listed = store.dead_messages(paging.page()?).await?;
    let next = page::link(&call, listed.next.as_ref());
    let results = listed.rows.iter().map(webhook::show).collect();
    page::answer(results, next)
}
