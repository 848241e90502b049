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
    let rows = call.state.parts.store.models(paging.page()).await?;
    let (rows, next) = page::cut(&call, &paging, rows, |model| model.name.to_string());
    let mut results = Vec::with_capacity(rows.len());
    for model in &rows {
        results.push(get::shown(&call, model).await?);
    }
    page::answer(results, next)
}
