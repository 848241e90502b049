//! Schedules: jobs that are made again at every tick, as the owner makes, changes, pauses and removes them.
//! Does not know when a tick is; core does, and the engine looks after them.

mod change;
mod check;
mod create;
mod delete;
mod get;
mod list;
mod now;
mod preview;
mod submitter;
pub(crate) use submitter::Submits;

use super::{
    problem::Problem,
    table::{
        CURSOR,
        Gives::{Json, Nothing, Page},
        LIMIT, Route, Takes, route,
    },
};
use http::StatusCode;
use onstage_core::schedule::Schedule;

const ONE: &str = "/v1/schedules/{id}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/v1/schedules", Owner, "Lists schedules, newest first, with their next tick and what the last one came to", list::run)
            .query(&[CURSOR, LIMIT, ("model", "`owner/name`")])
            .gives(200, Page("Schedule"))
            .errors(&[400]),
        route!(POST "/v1/schedules", Owner, "Makes a schedule: at every tick a batch job, prediction or training", create::run)
            .takes(Takes::Json("NewSchedule"))
            .gives(201, Json("Schedule"))
            .errors(&[400, 404, 409, 415, 422]),
        route!(GET "/v1/schedules/preview", Owner, "When the ticks of a schedule would be, in words and as the next few times", preview::run)
            .query(&[
                ("cron", "minute, hour, day, month and weekday; or `every`"),
                ("timezone", "of `cron`; `UTC` when absent"),
                ("every", "`1h`, `7d`; or `cron`"),
            ])
            .gives(200, Json("ScheduleTicks"))
            .errors(&[400, 422]),
        route!(GET ONE, Owner, "One schedule", get::run)
            .gives(200, Json("Schedule"))
            .errors(&[404]),
        route!(PATCH ONE, Owner, "Changes, pauses or resumes a schedule", change::run)
            .takes(Takes::Json("ScheduleChange"))
            .gives(200, Json("Schedule"))
            .errors(&[400, 404, 409, 415, 422]),
        route!(POST "/v1/schedules/{id}/run", Owner, "Makes a schedule's job now, whether it is paused or not", now::run)
            .gives(200, Json("Schedule"))
            .errors(&[400, 404, 409, 429]),
        route!(DELETE ONE, Owner, "Removes a schedule; jobs that it made stay", delete::run)
            .gives(204, Nothing)
            .errors(&[404, 409]),
    ]
}

/// What a folder asks for is changed there. Errors: 409.
fn refuse_of_folder(schedule: &Schedule) -> Result<(), Problem> {
    let Some(name) = &schedule.name else {
        return Ok(());
    };
    let detail = format!(
        "The folder of `{}` asks for this schedule, as `[schedules.{name}]` in its `onstage.toml`.",
        schedule.model
    );
    Err(
        Problem::new(StatusCode::CONFLICT, "schedule_of_folder", detail)
            .hint("change it there and push the folder; it may be paused and resumed here"),
    )
}
