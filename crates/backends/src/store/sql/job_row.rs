//! A job as a row: real columns for what is filtered and watched, JSON for what varies.
//! Must not know how a job moves.

use super::row;
use onstage_core::{
    Error, Result,
    fair::Urgency,
    job::{Job, JobState},
    outcome::Phase,
    task::Incarnation,
};
use sea_orm::{
    QueryResult,
    sea_query::{Expr, Query, SelectStatement},
};

/// Columns that never change after the submission.
pub(super) const FIXED: [&str; 11] = [
    "id",
    "model",
    "version",
    "version_number",
    "kind",
    "spec_json",
    "principal",
    "source",
    "urgency",
    "webhook_json",
    "created_at",
];
/// Columns that a transition writes.
pub(super) const MOVING: [&str; 17] = [
    "state",
    "run",
    "owner",
    "beat",
    "phase",
    "cancel_requested",
    "not_before",
    "attempts",
    "restarts",
    "started_at",
    "completed_at",
    "reason",
    "output_json",
    "failure_json",
    "progress_json",
    "attempts_json",
    "dead",
];

/// A job together with the number that every write of its row raises.
pub(super) struct Read {
    pub(super) job: Job,
    pub(super) revision: u64,
}

pub(super) fn select() -> SelectStatement {
    Query::select()
        .columns(FIXED)
        .columns(MOVING)
        .column("revision")
        .from("jobs")
        .take()
}

pub(super) fn read(row: &QueryResult) -> Result<Read> {
    let job = Job {
        id: row::id(row)?,
        model: row::parse(row, "model")?,
        version: onstage_core::model::VersionId(row::get(row, "version")?),
        version_number: row::small(row, "version_number")?,
        spec: row::json(row, "spec_json")?,
        state: state(row)?,
        run: row::small(row, "run")?,
        attempts: row::small(row, "attempts")?,
        restarts: row::small(row, "restarts")?,
        history: row::json(row, "attempts_json")?,
        progress: row::maybe_json(row, "progress_json")?,
        dead: row::maybe_word(row, "dead")?,
        urgency: urgency(row)?,
        webhook: row::maybe_json(row, "webhook_json")?,
        by: row::parse(row, "principal")?,
        source: row::get(row, "source")?,
        created_at: row::time(row, "created_at")?,
        started_at: row::maybe_time(row, "started_at")?,
    };
    let revision = row::count(row, "revision")?;
    Ok(Read { job, revision })
}

pub(super) fn job(row: &QueryResult) -> Result<Job> {
    read(row).map(|read| read.job)
}

fn urgency(row: &QueryResult) -> Result<Urgency> {
    let number = row::small(row, "urgency")?;
    let urgency = u8::try_from(number).ok().and_then(Urgency::new);
    urgency.ok_or_else(|| Error::internal(format!("urgency {number} is not known")))
}

fn state(row: &QueryResult) -> Result<JobState> {
    let name: String = row::get(row, "state")?;
    let completed_at = || row::time(row, "completed_at");
    Ok(match name.as_str() {
        "queued" => JobState::Queued {
            not_before: row::time(row, "not_before")?,
        },
        "running" => JobState::Running {
            owner: Incarnation(row::get(row, "owner")?),
            beat: row::count(row, "beat")?,
            phase: row::word(row, "phase")?,
            cancel_requested: row::get(row, "cancel_requested")?,
        },
        "succeeded" => JobState::Succeeded {
            output: row::json(row, "output_json")?,
            completed_at: completed_at()?,
        },
        "failed" => JobState::Failed {
            failure: row::json(row, "failure_json")?,
            completed_at: completed_at()?,
        },
        "canceled" => JobState::Canceled {
            completed_at: completed_at()?,
        },
        other => return Err(Error::internal(format!("job state `{other}` is not known"))),
    })
}

/// In the order of `FIXED`.
pub(super) fn fixed_values(job: &Job) -> [Expr; 11] {
    [
        job.id.as_str().into(),
        job.model.to_string().into(),
        job.version.0.as_str().into(),
        i64::from(job.version_number).into(),
        job.spec.kind().name().into(),
        row::to_json(&job.spec).into(),
        job.by.as_str().into(),
        job.source.as_str().into(),
        i64::from(job.urgency.get()).into(),
        job.webhook.as_ref().map(row::to_json).into(),
        job.created_at.0.into(),
    ]
}

/// In the order of `MOVING`.
pub(super) fn moving_values(job: &Job) -> [Expr; 17] {
    let moving = Moving::of(&job.state);
    [
        job.state.name().into(),
        i64::from(job.run).into(),
        moving.owner.into(),
        moving.beat.into(),
        moving.phase.map(|phase| row::to_word(&phase)).into(),
        moving.cancel_requested.into(),
        moving.not_before.into(),
        i64::from(job.attempts).into(),
        i64::from(job.restarts).into(),
        row::millis(job.started_at).into(),
        row::millis(job.state.completed_at()).into(),
        job.state
            .reason()
            .map(|reason| row::to_word(&reason))
            .into(),
        moving.output.into(),
        moving.failure.into(),
        job.progress.as_ref().map(row::to_json).into(),
        row::to_json(&job.history).into(),
        job.dead.map(|dead| row::to_word(&dead)).into(),
    ]
}

/// The state's own data, one field per column.
#[derive(Default)]
struct Moving {
    owner: Option<String>,
    beat: Option<i64>,
    phase: Option<Phase>,
    cancel_requested: bool,
    not_before: Option<i64>,
    output: Option<String>,
    failure: Option<String>,
}

impl Moving {
    fn of(state: &JobState) -> Self {
        let mut moving = Self::default();
        match state {
            JobState::Queued { not_before } => moving.not_before = Some(not_before.0),
            JobState::Running {
                owner,
                beat,
                phase,
                cancel_requested,
            } => {
                moving.owner = Some(owner.0.clone());
                moving.beat = Some(row::int(*beat));
                moving.phase = Some(*phase);
                moving.cancel_requested = *cancel_requested;
            }
            JobState::Succeeded { output, .. } => moving.output = Some(row::to_json(output)),
            JobState::Failed { failure, .. } => moving.failure = Some(row::to_json(failure)),
            JobState::Canceled { .. } => {}
        }
        moving
    }
}
