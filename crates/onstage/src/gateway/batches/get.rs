//! `GET /v1/batches/{id}`, with `?wait=` until it ends.
//! Does not change anything.

use super::find::{self, Found};
use crate::gateway::{
    call::{Call, bounded_wait},
    jobs::ended,
    problem::{Answer, Problem},
};
use http::StatusCode;
use onstage_core::Id;
use serde::Deserialize;
use std::time::Duration;

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
pub(crate) async fn wait(call: &Call, id: &Id, patience: Duration) -> Result<Found, Problem> {
    ended(call, patience, || find::find(call, id), |found| &found.job).await
}
