//! Schedules as the wire has them.
//! Does not fetch.

use super::{maybe_time, time};
use crate::gateway::call::Call;
use onstage_core::{
    Timestamp,
    schedule::{self, Overlap, Pace, Skipped, TickFate, When},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Schedule {
    id: String,
    model: String,
    /// `folder`: `[schedules]` of the model's `onstage.toml` asks for it, and only that changes it; else `hand`.
    source: &'static str,
    /// What the folder calls it.
    name: Option<String>,
    /// `prediction`, `batch` or `training`.
    kind: &'static str,
    version: Option<String>,
    #[schema(value_type = Object)]
    request: Value,
    cron: Option<String>,
    timezone: Option<String>,
    every: Option<String>,
    /// When the ticks are, in words: `at 06:30, Monday to Friday`.
    said: String,
    catch_up: bool,
    /// `skip` or `queue`.
    overlap: &'static str,
    paused: bool,
    /// Why, when nobody asked for it.
    paused_because: Option<String>,
    next_at: Option<String>,
    last: Option<LastTick>,
    /// The job of the last tick that made one.
    last_job: Option<String>,
    /// Who made it, and whose the jobs are.
    created_by: String,
    created_at: String,
    urls: BTreeMap<&'static str, String>,
}

/// What the last tick came to.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastTick {
    at: String,
    /// `made`, `missed` (nothing ran when it came), `overlap` (the job before still ran), `refused` or `denied`.
    outcome: &'static str,
    job: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSchedule {
    /// `owner/name`.
    pub(crate) model: String,
    /// `prediction`, `batch` or `training`.
    pub(crate) kind: String,
    /// A number, an id or an alias, looked up at every tick; the live one when absent.
    pub(crate) version: Option<String>,
    /// What is asked for, as the route takes it that makes such jobs: `{"table": "onstage://datasets/labels"}`, `{"input": {…}}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) request: Map<String, Value>,
    /// Minute, hour, day, month and weekday: `30 6 * * mon-fri`; or `every`.
    pub(crate) cron: Option<String>,
    /// What the clocks of `cron` show: `Europe/Zurich`; `UTC` when absent.
    pub(crate) timezone: Option<String>,
    /// `1h`, `7d`; or `cron`.
    pub(crate) every: Option<String>,
    /// Whether the newest tick that was missed while nothing ran is made up for; `true` when absent.
    pub(crate) catch_up: Option<bool>,
    /// What happens while the job of the tick before still runs: `skip` (when absent) or `queue`.
    pub(crate) overlap: Option<String>,
    pub(crate) paused: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleChange {
    pub(crate) paused: Option<bool>,
    pub(crate) version: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub(crate) request: Option<Map<String, Value>>,
    pub(crate) cron: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) every: Option<String>,
    pub(crate) catch_up: Option<bool>,
    pub(crate) overlap: Option<String>,
}

/// When the ticks of a schedule would be.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleTicks {
    /// In words: `at 06:30, Monday to Friday`.
    said: String,
    cron: Option<String>,
    timezone: Option<String>,
    every: Option<String>,
    next: Vec<String>,
}

pub(crate) fn ticks(when: &When, next: Vec<Timestamp>) -> ScheduleTicks {
    let Words {
        cron,
        timezone,
        every,
    } = words(when);
    ScheduleTicks {
        said: when.said(),
        cron,
        timezone,
        every,
        next: next.into_iter().map(time).collect(),
    }
}

impl ScheduleChange {
    pub(crate) fn only_pauses(&self) -> bool {
        let others = [
            &self.version,
            &self.cron,
            &self.timezone,
            &self.every,
            &self.overlap,
        ];
        others.iter().all(|it| it.is_none()) && self.request.is_none() && self.catch_up.is_none()
    }
}

/// When the ticks are, in the words of the wire.
pub(crate) struct Words {
    pub(crate) cron: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) every: Option<String>,
}

pub(crate) fn words(when: &When) -> Words {
    match when {
        When::Every { every_ms, .. } => Words {
            cron: None,
            timezone: None,
            every: Some(span(*every_ms)),
        },
        When::Cron { cron, zone } => Words {
            cron: Some(cron.to_string()),
            timezone: Some(zone.to_string()),
            every: None,
        },
    }
}

/// In the largest unit that is whole.
fn span(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let whole = units.into_iter().find(|(unit, _)| ms.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{ms}ms"),
        |(unit, name)| format!("{}{name}", ms / unit),
    )
}

pub(crate) fn show(call: &Call, of: &schedule::Schedule) -> Schedule {
    let Words {
        cron,
        timezone,
        every,
    } = words(&of.when);
    let (paused, paused_because) = match &of.pace {
        Pace::Going { .. } => (false, None),
        Pace::Paused { why } => (true, why.clone()),
    };
    let mut urls = BTreeMap::from([("get", call.link(&format!("/v1/schedules/{}", of.id)))]);
    if let Some(job) = &of.last_job {
        urls.insert("last_job", call.link(&format!("/v1/jobs/{job}")));
    }
    Schedule {
        id: of.id.to_string(),
        model: of.model.to_string(),
        source: of.name.as_ref().map_or("hand", |_| "folder"),
        name: of.name.clone(),
        kind: of.kind.name(),
        version: of.version.clone(),
        request: serde_json::from_str(&of.request).unwrap_or_default(),
        cron,
        timezone,
        every,
        said: of.when.said(),
        catch_up: of.catch_up,
        overlap: match of.overlap {
            Overlap::Skip => "skip",
            Overlap::Queue => "queue",
        },
        paused,
        paused_because,
        next_at: maybe_time(of.next_at()),
        last: of.last.as_ref().map(last),
        last_job: of.last_job.as_ref().map(ToString::to_string),
        created_by: of.by.name.clone(),
        created_at: time(of.created_at),
        urls,
    }
}

fn last(tick: &schedule::Tick) -> LastTick {
    let (outcome, job, error) = match &tick.fate {
        TickFate::Made { job } => ("made", Some(job.to_string()), None),
        TickFate::Skipped { why } => match why {
            Skipped::Missed => ("missed", None, None),
            Skipped::Overlap => ("overlap", None, None),
        },
        TickFate::Refused { error } => ("refused", None, Some(error.clone())),
        TickFate::Denied { error } => ("denied", None, Some(error.clone())),
    };
    LastTick {
        at: time(tick.at),
        outcome,
        job,
        error,
    }
}
