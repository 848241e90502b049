//! `GET /v1/jobs/{id}`.
//! Does not change anything.

use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
    wire,
};
use http::StatusCode;
use onstage_core::{Id, job::Job};

pub(crate) async fn run(call: Call) -> Answer {
    let job = find(&call, &call.id()?).await?;
    call::json(StatusCode::OK, &wire::job::show(&call, &job))
}

/// Errors: 404.
pub(crate) async fn find(call: &Call, id: &Id) -> Result<Job, Problem> {
    call.state
        .parts
        .store
        .job(id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("There is no job `{id}`.")))
}
