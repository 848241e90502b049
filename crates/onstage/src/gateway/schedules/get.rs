//! `GET /v1/schedules/{id}`.
//! Does not change anything.

use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
    wire::schedule::show,
};
use http::StatusCode;
use onstage_core::schedule::Schedule;

pub(crate) async fn run(call: Call) -> Answer {
    let schedule = find(&call).await?;
    call::json(StatusCode::OK, &show(&call, &schedule))
}

/// The one in the path. Errors: 404.
pub(super) async fn find(call: &Call) -> Result<Schedule, Problem> {
    let id = call.id()?;
    let found = call.state.parts.store.schedule(&id).await?;
    found.ok_or_else(|| Problem::not_found(format!("There is no schedule `{id}`.")))
}
