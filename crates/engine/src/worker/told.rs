//! Why a start did not end in `ready`, before it is put into words.
//! Does not know who reads it.

use onstage_core::wire::{FromWorker, from_worker::WorkerError};
use std::time::Duration;

pub(super) enum Told {
    /// The worker said so.
    Failed {
        during: String,
        error: WorkerError,
    },
    /// It went away.
    Gone,
    /// It broke the protocol.
    Garbage(String),
    TooSlow(Duration),
    /// Something on our side.
    Ours(String),
}

impl Told {
    pub(super) fn unexpected(step: &str, message: &FromWorker) -> Self {
        let name = match message {
            FromWorker::Hello { .. } => "hello",
            FromWorker::Schema(_) => "schema",
            FromWorker::Ready => "ready",
            FromWorker::Result(_) => "result",
            FromWorker::Chunk { .. } => "chunk",
            FromWorker::Progress { .. } => "progress",
            FromWorker::Metric { .. } => "metric",
            FromWorker::Ask { .. } => "a question",
            _ => "something else",
        };
        Self::Garbage(format!("it answered `{step}` with `{name}`"))
    }
}
