//! Jobs and tasks as the owner sees them.
//! Does not fetch.

use super::{maybe_time, time};
use crate::gateway::call::Call;
use onstage_core::{
    job::{self, Attempt},
    outcome::{Failure, Phase, Progress, Reason, Status},
    task,
};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Job {
    id: String,
    kind: &'static str,
    model: String,
    version: String,
    version_number: u32,
    #[schema(value_type = String)]
    status: Status,
    #[schema(value_type = String)]
    phase: Phase,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    #[schema(value_type = Option<Object>)]
    error: Option<Failure>,
    /// Why nothing repeats a failed job any more: `out_of_attempts` or `quarantined`.
    #[schema(value_type = Option<String>)]
    dead: Option<job::Dead>,
    urgency: u8,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    run: u32,
    source: String,
    #[schema(value_type = Option<Object>)]
    progress: Option<Progress>,
    attempts: Vec<EndedRun>,
    urls: BTreeMap<&'static str, String>,
}

/// A run that ended without ending the job.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndedRun {
    run: u32,
    ended_at: String,
    #[schema(value_type = String)]
    reason: Reason,
    message: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Task {
    id: String,
    version: String,
    host: String,
    pid: u32,
    started_at: String,
    ended_at: Option<String>,
    end: Option<String>,
    beat: u64,
}

pub(crate) fn show(call: &Call, job: &job::Job) -> Job {
    let base = call.url(&format!("/v1/jobs/{}", job.id));
    let own = match job.spec.kind() {
        job::JobKind::Batch => call.url(&format!("/v1/batches/{}", job.id)),
        job::JobKind::Training => call.url(&format!("/v1/trainings/{}", job.id)),
        job::JobKind::Prediction => call.url(&format!("/v1/predictions/{}", job.id)),
    };
    Job {
        id: job.id.to_string(),
        kind: job.spec.kind().name(),
        model: job.model.to_string(),
        version: job.version.0.clone(),
        version_number: job.version_number,
        status: job.state.status(),
        phase: job.state.phase(),
        reason: job.state.reason(),
        error: super::batch::failure(&job.state).cloned(),
        dead: job.dead,
        urgency: job.urgency.get(),
        created_at: time(job.created_at),
        started_at: maybe_time(job.started_at),
        completed_at: maybe_time(job.state.completed_at()),
        run: job.run,
        source: job.source.clone(),
        progress: job.progress.clone(),
        attempts: job.history.iter().map(ended).collect(),
        urls: BTreeMap::from([
            ("cancel", format!("{base}/cancel")),
            ("retry", format!("{base}/retry")),
            ("record", own.clone()),
            ("events", format!("{own}/events")),
            ("logs", format!("{own}/logs")),
            ("get", base),
        ]),
    }
}

fn ended(attempt: &Attempt) -> EndedRun {
    EndedRun {
        run: attempt.run,
        ended_at: time(attempt.ended_at),
        reason: attempt.failure.reason,
        message: attempt.failure.message.clone(),
    }
}

pub(crate) fn task(task: &task::Task) -> Task {
    Task {
        id: task.id.to_string(),
        version: task.version.0.clone(),
        host: task.host.clone(),
        pid: task.pid,
        started_at: time(task.started_at),
        ended_at: maybe_time(task.ended_at),
        end: task.end.clone(),
        beat: task.beat,
    }
}
