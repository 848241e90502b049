//! `GET /v1/trainings/{id}`, with `?wait=` until it ends.
//! Does not change anything.

use super::find::{self, Found};
use crate::gateway::{
    call::{Call, bounded_wait},
    problem::{Answer, Problem},
};
use http::StatusCode;
use onstage_core::Id;
use serde::Deserialize;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
struct Query {
    wait: Option<f64>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let query: Query = call.query()?;
    let found = wait(&call, &id, bounded_wait(&call.state, query.wait)).await?;
    find::answer(&call, StatusCode::OK, &found).await
}

/// Waits until it ends, at most so long.
pub(super) async fn wait(call: &Call, id: &Id, patience: Duration) -> Result<Found, Problem> {
    let clock = &call.state.parts.clock;
    let until = clock.monotonic() + patience;
    loop {
        let found = find::find(call, id).await?;
        let left = until.saturating_sub(clock.monotonic());
        if left.is_zero() || found.job.state.is_final() || call.state.shutdown.is_cancelled() {
            return Ok(found);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY.min(left)) => {}
            () = call.state.shutdown.cancelled() => {}
        }
    }
}
