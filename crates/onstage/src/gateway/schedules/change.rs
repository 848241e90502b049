//! `PATCH /v1/schedules/{id}`: pause, resume, another time, another request.
//! Does not change whose the jobs are.

use super::{check, get, refuse_of_folder};
use crate::gateway::{
    body,
    call::{self, Call},
    problem::{Answer, Problem},
    versions,
    wire::schedule::{ScheduleChange, show, words},
};
use http::StatusCode;
use onstage_core::{
    Kind, Timestamp,
    schedule::{Pace, Schedule},
};

/// Tries against ticks and others who change the same schedule.
const TRIES_MAX: u32 = 10;

pub(crate) async fn run(mut call: Call) -> Answer {
    let wish: ScheduleChange = body::json(&mut call).await?;
    let parts = &call.state.parts;
    let mut tries = 0;
    loop {
        let mut schedule = get::find(&call).await?;
        if !wish.only_pauses() {
            refuse_of_folder(&schedule)?;
        }
        if let Some(version) = &wish.version {
            versions::find::find(&call, &schedule.model, version).await?;
        }
        apply(&mut schedule, &wish, parts.clock.now())?;
        match parts.store.update_schedule(schedule).await {
            Err(error) if error.kind == Kind::Conflict && tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(schedule) => {
                call.state.engine.nudge_schedules();
                return call::json(StatusCode::OK, &show(&call, &schedule));
            }
        }
    }
}

fn apply(schedule: &mut Schedule, wish: &ScheduleChange, now: Timestamp) -> Result<(), Problem> {
    let is_paused = matches!(schedule.pace, Pace::Paused { .. });
    if let Some(version) = &wish.version {
        schedule.version = Some(version.clone());
    }
    if let Some(request) = &wish.request {
        schedule.request = check::request(schedule.kind, request)?;
    }
    if let Some(catch_up) = wish.catch_up {
        schedule.catch_up = catch_up;
    }
    if let Some(overlap) = &wish.overlap {
        schedule.overlap = check::overlap(overlap)?;
    }
    let other_time = wish.cron.is_some() || wish.every.is_some() || wish.timezone.is_some();
    if other_time {
        let known = words(&schedule.when);
        let cron = match wish.every {
            None => wish.cron.clone().or(known.cron),
            Some(_) => wish.cron.clone(),
        };
        let zone = wish.timezone.clone().or(known.timezone);
        schedule.when = check::when(cron.as_deref(), zone.as_deref(), wish.every.as_deref(), now)?;
    }
    match wish.paused {
        Some(true) => schedule.pace = Pace::Paused { why: None },
        // What is paused stays so unless somebody says otherwise; ticks that passed meanwhile are not made up for.
        Some(false) if is_paused => schedule.go_on_after(now),
        _ if other_time && !is_paused => schedule.go_on_after(now),
        _ => {}
    }
    Ok(())
}
