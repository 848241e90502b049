//! `GET /v1/tasks`, newest first.
//! Does not change anything.

use crate::gateway::{
    call::{Call, Paging},
    problem::Answer,
    wire::{job, page},
};

pub(crate) async fn run(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let listed = call.state.parts.store.tasks(paging.page()?).await?;
    let next = page::link(&call, listed.next.as_ref());
    let results = listed.rows.iter().map(job::task).collect();
    page::answer(results, next)
}
