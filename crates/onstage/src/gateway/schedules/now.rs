//! `POST /v1/schedules/{id}/run`: its job now, made as at a tick.
//! Does not move the next tick.

use super::{Submits, get};
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    wire::schedule::show,
};
use http::StatusCode;
use onstage_core::{Kind, ports::Submitter, schedule::TickFate};

/// Tries against ticks and others who change the same schedule.
const TRIES_MAX: u32 = 10;

pub(crate) async fn run(call: Call) -> Answer {
    let asked = get::find(&call).await?;
    let parts = &call.state.parts;
    let now = parts.clock.now();
    let job = Submits(call.state.clone()).submit(&asked, now).await?;
    let mut tries = 0;
    loop {
        let mut schedule = get::find(&call).await?;
        let fate = TickFate::Made { job: job.clone() };
        schedule.settle(now, fate);
        match parts.store.update_schedule(schedule).await {
            Err(error) if error.kind == Kind::Conflict && tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(schedule) => return call::json(StatusCode::OK, &show(&call, &schedule)),
        }
    }
}
