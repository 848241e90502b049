//! Schedules for people.
//! Fetches nothing.

use crate::cli::{caller::Caller, exit::Failure, print, push::words};
use serde_json::Value;

pub(super) fn all(caller: &Caller, schedules: &[Value]) -> Result<(), Failure> {
    if caller.json {
        return print::json_list(schedules);
    }
    if schedules.is_empty() {
        print::say("no schedules yet; make one with `onstage schedule add MODEL --every 1h`");
        return Ok(());
    }
    let row = |schedule: &Value| {
        vec![
            words(schedule, "id").to_owned(),
            named(schedule),
            words(schedule, "kind").to_owned(),
            when(schedule),
            next(schedule),
            last(schedule),
            from(schedule),
        ]
    };
    let header = ["id", "model", "kind", "when", "next", "last", "from"];
    print::table(&header, schedules.iter().map(row).collect())
}

pub(super) fn one(caller: &Caller, schedule: &Value) -> Result<(), Failure> {
    if caller.json {
        return print::json(schedule);
    }
    let rows = [
        ("schedule", words(schedule, "id").to_owned()),
        ("model", named(schedule)),
        ("kind", words(schedule, "kind").to_owned()),
        ("request", schedule["request"].to_string()),
        ("when", when(schedule)),
        ("cron", words(schedule, "cron").to_owned()),
        ("next", next(schedule)),
        ("last", last(schedule)),
        ("job", words(schedule, "last_job").to_owned()),
        ("from", from(schedule)),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    let row = |(name, value): (&str, String)| vec![name.to_owned(), value];
    print::table(&["", ""], rows.map(row).collect())
}

fn named(schedule: &Value) -> String {
    match schedule["version"].as_str() {
        Some(version) => format!("{}@{version}", words(schedule, "model")),
        None => words(schedule, "model").to_owned(),
    }
}

/// Where it is written: who made it, or the table of a folder.
fn from(schedule: &Value) -> String {
    match schedule["name"].as_str() {
        Some(name) => format!("onstage.toml [schedules.{name}]"),
        None => words(schedule, "created_by").to_owned(),
    }
}

fn when(schedule: &Value) -> String {
    let said = words(schedule, "said");
    match schedule["timezone"].as_str() {
        Some(zone) => format!("{said} ({zone})"),
        None => said.to_owned(),
    }
}

fn next(schedule: &Value) -> String {
    match (
        schedule["next_at"].as_str(),
        schedule["paused_because"].as_str(),
    ) {
        (Some(next), _) => next.to_owned(),
        (None, Some(why)) => format!("paused: {why}"),
        (None, None) => "paused".to_owned(),
    }
}

fn last(schedule: &Value) -> String {
    let last = &schedule["last"];
    let at = words(last, "at");
    match words(last, "outcome") {
        "made" => format!("{at} {}", words(last, "job")),
        "missed" => format!("{at} missed: no server ran"),
        "overlap" => format!("{at} skipped: the job before still ran"),
        "refused" | "denied" => format!("{at} {}", print::short(words(last, "error"), 80)),
        _ => String::new(),
    }
}
