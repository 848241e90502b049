//! Tasks: the short-lived processes that drain jobs of one version, as the store and a driver see them.
//! Does not know how they are started.

use crate::{Id, Timestamp, job::JobKind, model::VersionId};
use serde::{Deserialize, Serialize};

/// A random name that a process takes at its start and never reuses: what leases are owned by.
/// A restarted process with the same host and pid is another incarnation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub String);

/// What a task drains. Trainings have tasks of their own: a table must not wait for days behind one, and they may be given more of the machine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    #[default]
    Jobs,
    Trainings,
}

impl Lane {
    pub fn of(kind: JobKind) -> Self {
        match kind {
            JobKind::Prediction | JobKind::Batch => Self::Jobs,
            JobKind::Training => Self::Trainings,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Trainings => "trainings",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Jobs, Self::Trainings]
            .into_iter()
            .find(|lane| lane.name() == name)
    }
}

/// A task as it registered itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The id under which the driver started it.
    pub id: Id,
    pub version: VersionId,
    pub incarnation: Incarnation,
    pub host: String,
    pub pid: u32,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Why it ended, in words.
    pub end: Option<String>,
    /// +1 at every beat; a reaper watches it on its own clock.
    pub beat: u64,
}
