//! The numbered log of what happened to a prediction or job: what SSE, long poll and the page all read.
//! Does not know how it is carried.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    Queued,
    Phase,
    Start,
    Progress,
    Output,
    Log,
    Metric,
    Item,
    Completed,
    Error,
}

impl EventKind {
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Phase,
        Self::Start,
        Self::Progress,
        Self::Output,
        Self::Log,
        Self::Metric,
        Self::Item,
        Self::Completed,
        Self::Error,
    ];

    /// The event's name on the wire and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Phase => "phase",
            Self::Start => "start",
            Self::Progress => "progress",
            Self::Output => "output",
            Self::Log => "log",
            Self::Metric => "metric",
            Self::Item => "item",
            Self::Completed => "completed",
            Self::Error => "error",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An event before the store numbered it. `data` is a JSON object's text, without the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    pub kind: EventKind,
    pub at: Timestamp,
    pub data: String,
}

/// An event with its place in the log, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub seq: u64,
    pub kind: EventKind,
    pub at: Timestamp,
    pub data: String,
}
