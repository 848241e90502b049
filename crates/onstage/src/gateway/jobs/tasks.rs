//! `GET /v1/tasks`, newest first.
//! Does not change anything.

use crate::gateway::{
    call::{Call, Paging},
    problem::Answer,
    wire::{job, page},
};

pub(crate) async fn run(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let rows = call.state.parts.store.tasks(paging.page()).await?;
    let (rows, next) = page::cut(&call, &paging, rows, |task| task.id.to_string());
    let results = rows.iter().map(job::task).collect();
    page::answer(results, next)
}
