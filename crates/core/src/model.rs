//! Models and their versions as records.
//! Does not know how a version is built or run.

use crate::{
    ModelName, Timestamp, alias::Aliases, config::ModelConfig, outcome::Phase, parcel::Parcel,
    schema::ModelSchema, training::Lineage, value::BlobRef,
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A version's id: SHA-256 over the model's name, the bundle and the environment, 64 lower-case hex digits.
/// The same content pushed twice is the same version. What a training made has an id of its own, over the training's as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(pub String);

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named prototype.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub name: ModelName,
    pub title: String,
    pub about: String,
    /// The version that answers.
    pub live: Option<VersionId>,
    /// The version that answered before, for rollback.
    pub previous: Option<VersionId>,
    /// Names that point at versions; a version that one points at is not deleted.
    pub aliases: Aliases,
    /// +1 at every change of this record: what a compare-and-set compares.
    pub revision: u64,
    pub created_at: Timestamp,
}

impl Model {
    /// One without a version or a word about it.
    pub fn new(name: ModelName, created_at: Timestamp) -> Self {
        Self {
            name,
            title: String::new(),
            about: String::new(),
            live: None,
            previous: None,
            aliases: Aliases::default(),
            revision: 0,
            created_at,
        }
    }
}

/// An immutable build of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub id: VersionId,
    pub model: ModelName,
    /// v1, v2, …: counted per model.
    pub number: u32,
    pub bundle: BlobRef,
    pub config: ModelConfig,
    /// The examples beside the model, as JSON text of `[{"name", "input", "output"?, "tolerance"?}, …]`.
    pub examples: String,
    pub state: VersionState,
    /// Whether this version goes live as soon as it is ready.
    pub promote_when_ready: bool,
    pub created_at: Timestamp,
    /// What its workers are given as `ctx.weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Parcel>,
    /// How it was trained; none when its folder was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
}

/// Where a version stands. Ready and failed are final.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum VersionState {
    /// Its environment is made, its schema read and its examples tried. `text` says what is happening, for people.
    Building {
        phase: Phase,
        text: String,
    },
    Ready {
        schema: Arc<ModelSchema>,
        /// Why it was taken out of service while it was on probation, the last time that it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        withdrawn: Option<Withdrawn>,
        /// Of the environment that it was tried in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment_sha256: Option<String>,
    },
    Failed {
        error: BuildFailure,
    },
    Deleted,
}

impl VersionState {
    /// The word for the store and the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Building { .. } => "building",
            Self::Ready { .. } => "ready",
            Self::Failed { .. } => "failed",
            Self::Deleted => "deleted",
        }
    }
}

/// Why a version does not answer any more although it was live: it turned out sick on probation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    pub why: String,
    pub at: Timestamp,
}

/// Why a version could not be built, for the scientist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildFailure {
    /// A word of the worker protocol's error kinds, or `environment_failed`, `example_failed`, `bundle_invalid`, `timeout`, `worker_lost`, `out_of_memory`.
    pub kind: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Version {
    /// Why it was taken out of service by itself.
    pub fn withdrawn(&self) -> Option<&Withdrawn> {
        match &self.state {
            VersionState::Ready { withdrawn, .. } => withdrawn.as_ref(),
            _ => None,
        }
    }

    pub fn environment_sha256(&self) -> Option<&str> {
        match &self.state {
            VersionState::Ready {
                environment_sha256, ..
            } => environment_sha256.as_deref(),
            _ => None,
        }
    }

    pub fn schema(&self) -> Option<&ModelSchema> {
        match &self.state {
            VersionState::Ready { schema, .. } => Some(schema),
            _ => None,
        }
    }
}

/// What a push or a training brings.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    pub id: VersionId,
    pub model: ModelName,
    pub bundle: BlobRef,
    pub config: ModelConfig,
    pub examples: String,
    pub promote_when_ready: bool,
    pub created_at: Timestamp,
    pub weights: Option<Parcel>,
    pub lineage: Option<Lineage>,
}
