//! `GET /v1/models`, by name.
//! Does not change anything.

use super::get;
use crate::gateway::{
    call::{Call, Paging},
    problem::Answer,
    wire::page,
};

pub(crate) async fn run(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let store = &call.state.parts.store;
    let listed = store.models(paging.page_by_name()).await?;
    let next = page::link(&call, listed.next.as_ref());
    let mut results = Vec::with_capacity(listed.rows.len());
    for model in &listed.rows {
        results.push(get::shown(&call, model).await?);
    }
    page::answer(results, next)
}
