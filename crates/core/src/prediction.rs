//! The record of a realtime prediction, written behind its answer.
//! Background predictions are jobs; a list of predictions shows both.

use crate::{
    Id, ModelName, Timestamp,
    model::VersionId,
    outcome::{Failure, Status},
    value::Stored,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionRecord {
    pub id: Id,
    pub model: ModelName,
    pub version: VersionId,
    pub version_number: u32,
    pub input: Stored,
    pub end: PredictionEnd,
    pub logs: String,
    /// From dispatch to the worker until its answer.
    pub predict_ms: f64,
    /// From acceptance until dispatch.
    pub queue_ms: f64,
    pub by: Id,
    pub source: String,
    pub created_at: Timestamp,
    pub started_at: Timestamp,
    pub completed_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionEnd {
    Output(Stored),
    Failure(Failure),
}

impl PredictionRecord {
    /// Whether something of it is not kept any longer.
    pub fn is_reduced(&self) -> bool {
        self.input == Stored::Removed || self.end == PredictionEnd::Output(Stored::Removed)
    }

    /// Whether something of a part lies in the blobs.
    pub fn has_blobs(&self, part: RecordPart) -> bool {
        match part {
            RecordPart::Input => self.input.has_blobs(),
            RecordPart::Output => self.end.has_blobs(),
            RecordPart::Logs => false,
        }
    }

    /// Takes a part out; answers whether there was one.
    pub fn remove(&mut self, part: RecordPart) -> bool {
        let removed =
            |stored: &mut Stored| std::mem::replace(stored, Stored::Removed) != Stored::Removed;
        match (part, &mut self.end) {
            (RecordPart::Input, _) => removed(&mut self.input),
            (RecordPart::Output, PredictionEnd::Output(output)) => removed(output),
            (RecordPart::Output, PredictionEnd::Failure(_)) => false,
            (RecordPart::Logs, _) => !std::mem::take(&mut self.logs).is_empty(),
        }
    }
}

impl PredictionEnd {
    /// Whether something of it lies in the blobs.
    pub fn has_blobs(&self) -> bool {
        matches!(self, Self::Output(output) if output.has_blobs())
    }

    /// `succeeded`, `failed` or `canceled`: the wire's status as the store filters by it.
    pub fn status_name(&self) -> &'static str {
        match self {
            Self::Output(_) => "succeeded",
            Self::Failure(failure) if failure.status() == Status::Canceled => "canceled",
            Self::Failure(_) => "failed",
        }
    }
}

/// A part that was taken out of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    pub id: Id,
    /// Something of it lies in the blobs, where nothing points at it any more.
    pub blobs: bool,
}

/// What of a record may be kept for a shorter time than the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordPart {
    Input,
    Output,
    Logs,
}

/// Which predictions a list shows. Absent fields do not filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PredictionFilter {
    pub model: Option<ModelName>,
    /// `succeeded`, `failed` or `canceled`.
    pub status: Option<String>,
    pub by: Option<Id>,
}
