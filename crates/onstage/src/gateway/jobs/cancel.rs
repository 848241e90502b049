//! `POST /v1/jobs/{id}/cancel`.
//! Does not wait for the task to stop.

use super::get;
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    wire,
};
use http::StatusCode;

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let job = get::find(&call, &id).await?;
    if job.state.is_final() {
        return call::json(StatusCode::OK, &wire::job::show(&call, &job));
    }
    call.state.engine.cancel(&id);
    let now = call.state.parts.clock.now();
    let job = call.state.parts.store.request_cancel(&id, now).await?;
    call.state.engine.nudge();
    call::json(StatusCode::OK, &wire::job::show(&call, &job))
}
