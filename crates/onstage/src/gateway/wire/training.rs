//! A training as the wire has it.
//! Does not fetch.

use super::{maybe_time, prediction::Queue, time};
use crate::gateway::call::Call;
use onstage_core::{
    job::{Job, JobOutput, JobState},
    outcome::{Phase, Progress, Reason, Status},
    training::{Checkpoint, TrainingSpec},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Training {
    id: String,
    /// The trainer's, `owner/name`.
    model: String,
    /// The trainer's, 64 hex digits.
    version: String,
    version_number: u32,
    #[schema(value_type = Object)]
    input: Value,
    output: Option<Trained>,
    error: Option<String>,
    logs: String,
    #[schema(value_type = String)]
    status: Status,
    #[schema(value_type = String)]
    phase: Phase,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    /// The last value of each, and `predict_time`, the seconds it took.
    metrics: BTreeMap<String, f64>,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    #[schema(value_type = Option<Object>)]
    progress: Option<Progress>,
    queue: Option<Queue>,
    /// The model that gets the new version, `owner/name`.
    destination: String,
    promote: bool,
    gates: Vec<String>,
    datasets: Vec<String>,
    seed: u64,
    /// The training that this one went on from.
    resumed: Option<String>,
    checkpoints: Vec<KeptCheckpoint>,
    run: u32,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Option<String>,
    urls: BTreeMap<&'static str, String>,
}

/// What a training that succeeded left.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trained {
    /// `owner/name:id`.
    version: String,
    number: u32,
    /// Where the weights can be fetched.
    weights: String,
    /// Why the version does not go live although that was asked for.
    held_back: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct KeptCheckpoint {
    number: u32,
    run: u32,
    size: u64,
    created_at: String,
}

/// What starts a training.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "a description; what is read is in `trainings::create`"
)]
pub(crate) struct NewTraining {
    /// Of the training function: parameters, datasets by name (`labels`, `labels@v3`), files.
    #[schema(value_type = Object)]
    input: Value,
    /// `owner/name` of the model that gets the new version; the trainer's own when absent.
    destination: Option<String>,
    /// Whether the new version goes live when it is ready and reaches its gates.
    promote: Option<bool>,
    /// What metrics must reach before that: `accuracy >= 0.95`.
    gates: Option<Vec<String>>,
    /// By chance when absent.
    seed: Option<u64>,
    /// An address that is told of the job.
    webhook: Option<String>,
    /// Of what: `start`, `output`, `logs`, `completed`; all when absent.
    webhook_events_filter: Option<Vec<String>>,
}

/// What a training measured.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct TrainingSeries {
    pub(crate) series: BTreeMap<String, Vec<Point>>,
    pub(crate) last: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Point {
    pub(crate) step: Option<f64>,
    pub(crate) value: f64,
    pub(crate) run: u32,
    pub(crate) at: String,
}

/// What is known of it beside its record.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) queue: Option<Queue>,
    pub(crate) logs: String,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

pub(crate) fn show(call: &Call, job: &Job, spec: &TrainingSpec, around: Around) -> Training {
    let failure = super::batch::failure(&job.state);
    Training {
        id: job.id.to_string(),
        model: job.model.to_string(),
        version: job.version.0.clone(),
        version_number: job.version_number,
        input: serde_json::from_str(&spec.parameters).unwrap_or_default(),
        output: trained(call, job, spec),
        error: failure.map(|failure| super::prediction::message(failure, &job.id, call.is_owner())),
        logs: around.logs,
        status: job.state.status(),
        phase: job.state.phase(),
        reason: job.state.reason(),
        metrics: metrics(job),
        created_at: time(job.created_at),
        started_at: maybe_time(job.started_at),
        completed_at: maybe_time(job.state.completed_at()),
        progress: job.progress.clone(),
        queue: around.queue,
        destination: spec.destination.to_string(),
        promote: spec.promote,
        gates: spec.gates.iter().map(ToString::to_string).collect(),
        datasets: spec.datasets.iter().map(ToString::to_string).collect(),
        seed: spec.seed,
        resumed: spec.resume.as_ref().map(|it| it.training.to_string()),
        checkpoints: around.checkpoints.iter().map(kept).collect(),
        run: job.run,
        source: job.source.clone(),
        traceback: failure.and_then(|failure| failure.traceback.clone()),
        urls: urls(call, job),
    }
}

fn trained(call: &Call, job: &Job, spec: &TrainingSpec) -> Option<Trained> {
    let JobState::Succeeded {
        output:
            JobOutput::Training {
                version,
                version_number,
                held_back,
                ..
            },
        ..
    } = &job.state
    else {
        return None;
    };
    let place = format!("/v1/models/{}/versions/{version}/weights", spec.destination);
    Some(Trained {
        // Stock clients read nothing else.
        version: format!("{}:{version}", spec.destination),
        number: *version_number,
        weights: call.url(&place),
        held_back: held_back.clone(),
    })
}

fn metrics(job: &Job) -> BTreeMap<String, f64> {
    let mut all = match &job.state {
        JobState::Succeeded {
            output: JobOutput::Training { metrics, .. },
            ..
        } => metrics.clone(),
        _ => BTreeMap::new(),
    };
    if let (Some(from), Some(to)) = (job.started_at, job.state.completed_at()) {
        all.insert("predict_time".to_owned(), to.since(from).as_secs_f64());
    }
    all
}

fn kept(checkpoint: &Checkpoint) -> KeptCheckpoint {
    KeptCheckpoint {
        number: checkpoint.number,
        run: checkpoint.run,
        size: checkpoint.parcel.blob.size_bytes,
        created_at: time(checkpoint.created_at),
    }
}

fn urls(call: &Call, job: &Job) -> BTreeMap<&'static str, String> {
    let base = call.url(&format!("/v1/trainings/{}", job.id));
    BTreeMap::from([
        ("cancel", format!("{base}/cancel")),
        ("events", format!("{base}/events")),
        ("metrics", format!("{base}/metrics")),
        ("logs", format!("{base}/logs")),
        ("retry", format!("{base}/retry")),
        ("web", call.url(&format!("/trainings/{}", job.id))),
        ("get", base),
    ])
}
