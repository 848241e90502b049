//! `GET /v1/batches`, newest first.
//! Does not change anything.

use super::find;
use crate::gateway::{
    call::{Call, Paging},
    predictions::{model_of, state_of, whose},
    problem::Answer,
    wire::{batch, page},
};
use onstage_core::job::{JobFilter, JobKind};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    limit: Option<u32>,
    model: Option<String>,
    status: Option<String>,
    mine: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let paging = Paging {
        cursor: query.cursor,
        limit: query.limit,
    };
    let filter = JobFilter {
        dead: None,
        kind: Some(JobKind::Batch),
        model: query.model.as_deref().map(model_of).transpose()?,
        state: state_of(query.status.as_deref())?,
        by: whose(&call, query.mine.as_deref())?,
    };
    let listed = call.state.parts.store.jobs(&filter, paging.page()?).await?;
    let next = page::link(&call, listed.next.as_ref());
    let mut results = Vec::with_capacity(listed.rows.len());
    for found in listed.rows.into_iter().filter_map(find::of_job) {
        let counts = find::done(&call, &found.job).await?;
        results.push(batch::show(&call, &found.job, &found.spec, counts, None));
    }
    page::answer(results, next)
}
