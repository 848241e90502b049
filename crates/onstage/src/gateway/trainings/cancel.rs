//! `POST /v1/trainings/{id}/cancel`: answers the whole record, also when it had ended.
//! Does not wait for the task to stop.

use super::{find, get};
use crate::gateway::{call::Call, problem::Answer};
use http::StatusCode;
use std::time::Duration;

/// How long the end is waited for, so that the answer usually says `canceled`.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let found = find::find(&call, &id).await?;
    if !found.job.state.is_final() {
        let now = call.state.parts.clock.now();
        call.state.parts.store.request_cancel(&id, now).await?;
        call.state.engine.nudge();
    }
    let found = get::wait(&call, &id, SETTLE).await?;
    find::answer(&call, StatusCode::OK, &found).await
}
