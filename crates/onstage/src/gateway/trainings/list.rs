//! `GET /v1/trainings`, newest first.
//! Does not change anything; logs are read one training at a time, elsewhere.

use super::find;
use crate::gateway::{
    call::{Call, Paging},
    predictions::{model_of, state_of},
    problem::Answer,
    wire::{
        page,
        training::{self, Around},
    },
};
use onstage_core::job::{JobFilter, JobKind};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    limit: Option<u32>,
    model: Option<String>,
    status: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let paging = Paging {
        cursor: query.cursor,
        limit: query.limit,
    };
    let filter = JobFilter {
        kind: Some(JobKind::Training),
        model: query.model.as_deref().map(model_of).transpose()?,
        state: state_of(query.status.as_deref())?,
        by: None,
        dead: None,
    };
    let listed = call.state.parts.store.jobs(&filter, paging.page()?).await?;
    let next = page::link(&call, listed.next.as_ref());
    let found = listed.rows.into_iter().filter_map(find::of_job);
    let results = found
        .map(|found| training::show(&call, &found.job, &found.spec, Around::default()))
        .collect();
    page::answer(results, next)
}
