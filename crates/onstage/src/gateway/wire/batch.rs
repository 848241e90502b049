//! A batch job as the wire has it.
//! Does not fetch.

use super::{maybe_time, prediction::Queue, time};
use crate::gateway::call::Call;
use onstage_core::{
    batch::{BatchSpec, Counts},
    job::{Job, JobOutput, JobState},
    outcome::{Failure, Phase, Reason, Status},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Batch {
    id: String,
    model: String,
    version: String,
    version_number: u32,
    #[schema(value_type = String)]
    status: Status,
    #[schema(value_type = String)]
    phase: Phase,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    error: Option<String>,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    counts: RowCounts,
    /// Some rows failed.
    partial: bool,
    progress: Option<BatchProgress>,
    metrics: BatchMetrics,
    format: &'static str,
    table: TableInfo,
    map: BTreeMap<String, String>,
    run: u32,
    queue: Option<Queue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Option<String>,
    urls: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct RowCounts {
    pub(crate) total: Option<u64>,
    pub(crate) done: u64,
    pub(crate) failed: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BatchProgress {
    done: f64,
    total: Option<f64>,
    text: String,
    rate_per_s: Option<f64>,
    eta_s: Option<f64>,
    /// USD by the server's prices, as far as it is known: what is done has cost, and all of it will if each row costs the same.
    cost_usd: Option<f64>,
    cost_usd_expected: Option<f64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BatchMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_per_s: Option<f64>,
    /// USD by the server's prices: each row as those of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TableInfo {
    name: String,
    size: u64,
}

/// What starts a batch job. A misspelt wish is refused, not ignored.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBatch {
    /// `onstage://files/<id>`, `onstage://datasets/<name>[@v3]`, a data URL, or the address of an uploaded file.
    pub(crate) table: Option<String>,
    /// A ZIP or TAR archive, named as a table is: cells of inputs that are files may be paths in it.
    pub(crate) files: Option<String>,
    /// The version that computes: a number, an id or an alias; the live one when absent.
    pub(crate) version: Option<String>,
    /// `csv`, `jsonl`, `parquet` or `arrow`; by the file's name when absent.
    pub(crate) format: Option<String>,
    /// Input name to column name.
    #[serde(default)]
    pub(crate) map: BTreeMap<String, Option<String>>,
    /// A column with the true answer.
    pub(crate) label: Option<String>,
    /// Only the first so many rows.
    pub(crate) limit: Option<u64>,
    /// An `https` address that is told of the job.
    pub(crate) webhook: Option<String>,
    /// Of `start`, `output`, `logs`, `completed`; the first and the last when absent.
    pub(crate) webhook_events_filter: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Retry {
    /// `failed` is the only choice so far.
    pub(crate) only: Option<String>,
}

/// One row of a batch job.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchItem {
    pub(crate) index: u64,
    /// `succeeded` or `failed`.
    pub(crate) status: &'static str,
    #[schema(value_type = Option<Object>)]
    pub(crate) input: serde_json::Value,
    #[schema(value_type = serde_json::Value)]
    pub(crate) output: serde_json::Value,
    #[schema(value_type = Option<String>)]
    pub(crate) error: serde_json::Value,
}

/// A look into a table before it is run.
#[derive(Serialize, ToSchema)]
pub(crate) struct Preview {
    pub(crate) format: &'static str,
    pub(crate) columns: Vec<String>,
    #[schema(value_type = Vec<Object>)]
    pub(crate) rows: Vec<serde_json::Value>,
    pub(crate) map: BTreeMap<String, Option<String>>,
    pub(crate) missing: Vec<String>,
}

/// `done` counts what the chunks say so far; `queue` is for one that waits.
pub(crate) fn show(
    call: &Call,
    job: &Job,
    spec: &BatchSpec,
    done: Counts,
    queue: Option<Queue>,
) -> Batch {
    let owner = call.is_owner();
    let counts = counts(job, done);
    let failure = failure(&job.state);
    Batch {
        id: job.id.to_string(),
        model: job.model.to_string(),
        version: job.version.0.clone(),
        version_number: job.version_number,
        status: job.state.status(),
        phase: job.state.phase(),
        reason: job.state.reason(),
        error: failure.map(|failure| super::prediction::message(failure, &job.id, owner)),
        created_at: time(job.created_at),
        started_at: maybe_time(job.started_at),
        completed_at: maybe_time(job.state.completed_at()),
        partial: counts.failed > 0,
        counts,
        progress: progress(call, job),
        metrics: metrics(call, &job.state),
        format: spec.format.name(),
        table: TableInfo {
            name: spec.table_name.clone(),
            size: spec.table.size_bytes,
        },
        map: spec.map.clone(),
        run: job.run,
        queue,
        traceback: failure
            .filter(|_| owner)
            .and_then(|failure| failure.traceback.clone()),
        urls: urls(call, job),
    }
}

fn counts(job: &Job, so_far: Counts) -> RowCounts {
    let (total, counts) = match &job.state {
        JobState::Succeeded {
            output: JobOutput::Batch { counts, .. },
            ..
        } => (Some(counts.done + counts.failed), *counts),
        _ => (
            job.progress
                .as_ref()
                .and_then(|progress| progress.total)
                .map(|total| total as u64),
            so_far,
        ),
    };
    RowCounts {
        total,
        done: counts.done,
        failed: counts.failed,
    }
}

fn progress(call: &Call, job: &Job) -> Option<BatchProgress> {
    let progress = job.progress.as_ref()?;
    let prices = call.state.engine.prices();
    let running = matches!(job.state, JobState::Running { .. });
    let spent = job
        .started_at
        .filter(|_| running)
        .map(|at| call.state.parts.clock.now().since(at).as_secs_f64());
    let rate = spent.filter(|s| *s > 0.0).map(|s| progress.done / s);
    let eta = rate
        .filter(|rate| *rate > 0.0)
        .zip(progress.total)
        .map(|(rate, total)| ((total - progress.done) / rate).max(0.0));
    Some(BatchProgress {
        done: progress.done,
        total: progress.total,
        text: progress.text.clone(),
        rate_per_s: rate,
        eta_s: eta,
        cost_usd: prices.usd_of_rows(progress.used.as_ref(), progress.done),
        cost_usd_expected: progress
            .total
            .and_then(|total| prices.usd_of_rows(progress.used.as_ref(), total)),
    })
}

fn metrics(call: &Call, state: &JobState) -> BatchMetrics {
    match state {
        JobState::Succeeded {
            output:
                JobOutput::Batch {
                    accuracy,
                    rows_per_s,
                    used,
                    counts,
                    ..
                },
            ..
        } => BatchMetrics {
            accuracy: *accuracy,
            rows_per_s: Some(*rows_per_s),
            cost_usd: (call.state.engine.prices())
                .usd_of_rows(used.as_ref(), (counts.done + counts.failed) as f64),
        },
        _ => BatchMetrics {
            accuracy: None,
            rows_per_s: None,
            cost_usd: None,
        },
    }
}

pub(crate) fn failure(state: &JobState) -> Option<&Failure> {
    match state {
        JobState::Failed { failure, .. } => Some(failure),
        _ => None,
    }
}

fn urls(call: &Call, job: &Job) -> BTreeMap<&'static str, String> {
    let base = call.url(&format!("/v1/batches/{}", job.id));
    BTreeMap::from([
        ("cancel", format!("{base}/cancel")),
        ("events", format!("{base}/events")),
        ("items", format!("{base}/items")),
        ("result", format!("{base}/result")),
        ("logs", format!("{base}/logs")),
        ("web", call.url(&format!("/batches/{}", job.id))),
        ("get", base),
    ])
}
