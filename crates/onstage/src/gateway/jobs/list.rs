//! `GET /v1/jobs`, newest first.
//! Does not change anything.

use crate::gateway::{
    call::{Call, Paging, shortened},
    predictions::{model_of, state_of},
    problem::{Answer, Problem},
    wire::{job, page},
};
use onstage_core::job::{JobFilter, JobKind};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    limit: Option<u32>,
    kind: Option<String>,
    status: Option<String>,
    model: Option<String>,
    dead: Option<bool>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let paging = Paging {
        cursor: query.cursor,
        limit: query.limit,
    };
    let filter = JobFilter {
        kind: query.kind.as_deref().map(kind_of).transpose()?,
        model: query.model.as_deref().map(model_of).transpose()?,
        state: state_of(query.status.as_deref())?,
        by: None,
        dead: query.dead,
    };
    let listed = call.state.parts.store.jobs(&filter, paging.page()?).await?;
    let next = page::link(&call, listed.next.as_ref());
    let results = listed
        .rows
        .iter()
        .map(|row| job::show(&call, row))
        .collect();
    page::answer(results, next)
}

fn kind_of(text: &str) -> Result<JobKind, Problem> {
    JobKind::parse(text).ok_or_else(|| {
        Problem::invalid(
            "invalid_query",
            format!(
                "The kind `{}` is none of prediction, batch, training.",
                shortened(text)
            ),
        )
    })
}
