//! `GET /v1/schedules`, newest first.
//! Does not change anything.

use crate::gateway::{
    call::{Call, Paging},
    predictions::model_of,
    problem::Answer,
    wire::{page, schedule::show},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    limit: Option<u32>,
    model: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let paging = Paging {
        cursor: query.cursor,
        limit: query.limit,
    };
    let model = query.model.as_deref().map(model_of).transpose()?;
    let store = &call.state.parts.store;
    let listed = store.schedules(model.as_ref(), paging.page()?).await?;
    let next = page::link(&call, listed.next.as_ref());
    let results = listed.rows.iter().map(|row| show(&call, row)).collect();
    page::answer(results, next)
}
