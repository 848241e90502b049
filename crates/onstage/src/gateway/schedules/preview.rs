//! `GET /v1/schedules/preview`: when the ticks of a schedule would be.
//! Makes nothing.

use super::check;
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    wire::schedule::ticks,
};
use http::StatusCode;
use onstage_core::Timestamp;
use serde::Deserialize;

const TICKS_SHOWN: usize = 5;

#[derive(Deserialize)]
struct Query {
    cron: Option<String>,
    timezone: Option<String>,
    every: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let now = call.state.parts.clock.now();
    let when = check::when(
        query.cron.as_deref(),
        query.timezone.as_deref(),
        query.every.as_deref(),
        now,
    )?;
    let first = when.after(now);
    let next: Vec<Timestamp> = std::iter::successors(first, |tick| when.after(*tick))
        .take(TICKS_SHOWN)
        .collect();
    call::json(StatusCode::OK, &ticks(&when, next))
}
