//! Jobs: durable queued work of kind prediction, batch or training, as records and as their store verbs see them.
//! The rules for how a job moves are in `lifecycle`.

use crate::{
    Error, Id, ModelName, Result, Timestamp,
    batch::{BatchSpec, Counts},
    dataset::DatasetRef,
    fair::Urgency,
    model::VersionId,
    outcome::{Failure, Phase, Progress, Reason, Status},
    parcel::Parcel,
    task::Incarnation,
    training::TrainingSpec,
    value::Stored,
    webhook::Webhook,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    Prediction,
    Batch,
    Training,
}

impl JobKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Batch => "batch",
            Self::Training => "training",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Prediction, Self::Batch, Self::Training]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What kind of work it is, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum JobSpec {
    Prediction {
        /// At rest: files as `$blob` objects, datasets as `{"$dataset": "labels@v3"}`.
        input: Stored,
        /// The datasets that the input names, each with its number.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        datasets: Vec<DatasetRef>,
    },
    Batch(BatchSpec),
    Training(Box<TrainingSpec>),
}

impl JobSpec {
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Prediction { .. } => JobKind::Prediction,
            Self::Batch(_) => JobKind::Batch,
            Self::Training(_) => JobKind::Training,
        }
    }

    /// The versions of datasets that it needs, which stay as long as the job does; each with its number.
    pub fn datasets(&self) -> Vec<&DatasetRef> {
        match self {
            Self::Prediction { datasets, .. } => datasets.iter().collect(),
            Self::Batch(spec) => {
                let files = spec.files.iter().filter_map(|files| files.dataset.as_ref());
                spec.dataset.iter().chain(files).collect()
            }
            Self::Training(spec) => spec.datasets.iter().collect(),
        }
    }
}

/// A job as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: Id,
    pub model: ModelName,
    pub version: VersionId,
    pub version_number: u32,
    pub spec: JobSpec,
    pub state: JobState,
    /// +1 at every launch, never reused: the fencing token. 0 before the first.
    pub run: u32,
    /// Runs that count against `retries`.
    pub attempts: u32,
    /// Runs lost to infrastructure (shutdown, lost host); capped apart from `attempts`.
    pub restarts: u32,
    /// Every run that ended without ending the job, oldest first.
    pub history: Vec<Attempt>,
    pub progress: Option<Progress>,
    /// Why nothing repeats it by itself any more, when it failed for a reason that is repeated.
    pub dead: Option<Dead>,
    pub urgency: Urgency,
    /// Who is told of it.
    pub webhook: Option<Webhook>,
    /// Who asked.
    pub by: Id,
    /// `api`, `page`, `cli` or `schedule`.
    pub source: String,
    pub created_at: Timestamp,
    /// When the first run started.
    pub started_at: Option<Timestamp>,
}

/// A failed job that somebody has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dead {
    /// It failed as often as it is repeated.
    OutOfAttempts,
    /// Process after process died of it, so that it is kept from killing more.
    Quarantined,
}

/// Where a job stands, with exactly the data valid there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum JobState {
    Queued {
        /// Not to be claimed earlier: the back-off after a failed run.
        not_before: Timestamp,
    },
    Running {
        owner: Incarnation,
        /// +1 at every beat.
        beat: u64,
        phase: Phase,
        cancel_requested: bool,
    },
    Succeeded {
        output: JobOutput,
        completed_at: Timestamp,
    },
    Failed {
        failure: Failure,
        completed_at: Timestamp,
    },
    Canceled {
        completed_at: Timestamp,
    },
}

impl JobState {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Running { .. } => "running",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } => "canceled",
        }
    }

    pub fn is_final(&self) -> bool {
        self.completed_at().is_some()
    }

    pub fn completed_at(&self) -> Option<Timestamp> {
        match self {
            Self::Succeeded { completed_at, .. }
            | Self::Failed { completed_at, .. }
            | Self::Canceled { completed_at } => Some(*completed_at),
            Self::Queued { .. } | Self::Running { .. } => None,
        }
    }

    /// The wire's word.
    pub fn status(&self) -> Status {
        match self {
            Self::Queued { .. } => Status::Starting,
            Self::Running { .. } => Status::Processing,
            Self::Succeeded { .. } => Status::Succeeded,
            Self::Failed { .. } => Status::Failed,
            Self::Canceled { .. } => Status::Canceled,
        }
    }

    /// The wire's finer word.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Queued { .. } => Phase::Queued,
            Self::Running {
                cancel_requested: true,
                ..
            } => Phase::Canceling,
            Self::Running { phase, .. } => *phase,
            _ => Phase::Done,
        }
    }

    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Succeeded { .. } => Some(Reason::Ok),
            Self::Failed { failure, .. } => Some(failure.reason),
            Self::Canceled { .. } => Some(Reason::Canceled),
            Self::Queued { .. } | Self::Running { .. } => None,
        }
    }
}

/// What a job that succeeded leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum JobOutput {
    Prediction {
        output: Stored,
        predict_ms: u64,
    },
    Batch {
        result: crate::value::BlobRef,
        counts: Counts,
        #[serde(default)]
        accuracy: Option<f64>,
        rows_per_s: f64,
        /// What the worker of the last run took for `runs` of the rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used: Option<crate::usage::Amounts>,
    },
    /// The version was made by the commit that ended the job.
    Training {
        version: VersionId,
        version_number: u32,
        weights: Parcel,
        metrics: BTreeMap<String, f64>,
        /// Why the version will not go live although that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held_back: Option<String>,
    },
}

/// One run that ended without ending the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub run: u32,
    pub owner: Incarnation,
    pub ended_at: Timestamp,
    pub failure: Failure,
}

/// A job to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub id: Id,
    pub model: ModelName,
    pub version: VersionId,
    pub version_number: u32,
    pub spec: JobSpec,
    pub urgency: Urgency,
    pub webhook: Option<Webhook>,
    pub by: Id,
    pub source: String,
    pub created_at: Timestamp,
    /// Present when the submitter already runs it (a realtime prediction handed over at its wait limit): the job starts in its first run.
    pub claimed_by: Option<Incarnation>,
    pub idempotency: Option<Idempotency>,
}

/// Same key and body: same job. Same key, other body: conflict. Kept for 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Principal and model, so that two callers' keys never meet.
    pub scope: String,
    pub key: String,
    pub body_sha256: String,
}

/// A task's time-limited right to one run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    pub job: Id,
    pub run: u32,
    pub owner: Incarnation,
}

impl Job {
    /// The lease of the run in progress.
    pub fn lease(&self) -> Option<Lease> {
        match &self.state {
            JobState::Running { owner, .. } => Some(Lease {
                job: self.id.clone(),
                run: self.run,
                owner: owner.clone(),
            }),
            _ => None,
        }
    }

    /// Whether `lease` is the one in force; the condition of every write that a task makes.
    pub fn check_lease(&self, lease: &Lease) -> Result<()> {
        if self.lease().as_ref() == Some(lease) {
            return Ok(());
        }
        Err(Error::lost(format!(
            "the lease on run {} of job `{}` is lost: the job is {} in run {}",
            lease.run,
            self.id,
            self.state.name(),
            self.run
        )))
    }
}

/// Which jobs a list shows. Absent fields do not filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobFilter {
    pub kind: Option<JobKind>,
    pub model: Option<ModelName>,
    /// `queued`, `running`, `succeeded`, `failed` or `canceled`.
    pub state: Option<String>,
    pub by: Option<Id>,
    /// Only dead ones, or all but those.
    pub dead: Option<bool>,
}
