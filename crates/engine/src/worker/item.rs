//! An item on its way through a worker, and the sink that hears what becomes of it.
//! Does not know who waits behind the sink.

use super::ask::Asked;
use onstage_core::{
    outcome::{Failure, Progress},
    value::Value,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// One input to compute.
#[derive(Clone)]
pub struct Item {
    /// Unique for this worker; also the id on its wire.
    pub id: u64,
    pub input: Value,
    pub seed: u64,
    /// How long it may compute, from the moment its microbatch is the one being computed.
    pub limit: Duration,
    /// Nobody waits after this point of the clock's monotonic time.
    pub until: Option<Duration>,
    pub sink: Arc<dyn Sink>,
}

/// Who hears what becomes of an item. Called from the worker's loop: must not block and must not call back into the worker.
pub trait Sink: Send + Sync {
    /// It was sent to the worker.
    fn started(&self) {}
    /// A line that the author's code printed while this item's microbatch ran.
    fn log(&self, _line: &LogLine<'_>) {}
    fn progress(&self, _progress: Progress) {}
    fn metric(&self, _values: &BTreeMap<String, f64>, _step: Option<f64>) {}
    /// A training asks something; whoever does not know what to do drops it.
    fn asked(&self, _asked: Asked) {}
    /// A piece of a streamed output; indexes count from 0 without gaps.
    fn chunk(&self, _index: u64, _output: Value) {}
    /// The worker gave it back before it began, for another one to take. Called at most once, and instead of `end`.
    fn given_back(&self) {
        self.end(End::Returned {
            alone: false,
            why: Failure::new(
                onstage_core::outcome::Reason::WorkerLost,
                "its worker was busy with another one",
            ),
        });
    }
    /// The end; called exactly once.
    fn end(&self, end: End);
}

/// A captured line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// `stdout`, `stderr` or `log`.
    pub source: &'a str,
    /// `debug`, `info`, `warning` or `error`.
    pub level: &'a str,
    pub text: &'a str,
}

/// How long a worker had an item, and which part of that was for it alone: of a microbatch computed together, an equal share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Took {
    pub whole: Duration,
    pub share: Duration,
}

impl Took {
    pub fn together(whole: Duration, items: usize) -> Self {
        Self {
            whole,
            share: whole / u32::try_from(items.max(1)).unwrap_or(u32::MAX),
        }
    }

    pub fn alone(whole: Duration) -> Self {
        Self::together(whole, 1)
    }
}

/// What became of an item.
#[derive(Debug, Clone)]
pub enum End {
    /// `output` is null when `chunks` were streamed before.
    Output {
        output: Value,
        chunks: Option<u64>,
        metrics: BTreeMap<String, f64>,
        predict: Took,
    },
    /// It failed for good: the author's code, its deadline, a cancel, or it killed its worker while it was alone.
    Failed { failure: Failure, predict: Took },
    /// The worker went away under a microbatch of several: run it again, `alone` so that only the guilty one fails next time; not `alone` when it had not started.
    Returned { alone: bool, why: Failure },
}
