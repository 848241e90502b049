//! The handle to one realtime prediction in flight: where it stands, its numbered events, its end.
//! Does not know pools or workers; they tell it what happened.

mod entry;
mod log;

pub(crate) use entry::{Entry, NewEntry, Size};
pub(crate) use log::Fact;

use crate::{ask::Loaded, pool::Place, values};
use bytes::Bytes;
use onstage_core::{
    Id, Timestamp,
    event::Event,
    outcome::{Failure, Phase, Progress, Status},
    value::{Stored, Value},
};
use std::sync::Arc;

/// One prediction in flight. Cheap to clone.
#[derive(Clone)]
pub struct Ticket(pub(crate) Arc<Entry>);

/// Where a prediction stands at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub status: Status,
    pub phase: Phase,
    /// For people: `loading, about 4 s`.
    pub text: String,
    /// Place in the queue from 1, while it waits.
    pub position: Option<u32>,
    /// How many are before it.
    pub ahead: Option<u32>,
    /// Seconds until it is probably answered.
    pub eta_s: Option<f64>,
    pub progress: Option<Progress>,
    pub started_at: Option<Timestamp>,
    pub logs: String,
    /// The pieces of a streamed output so far, as a JSON array.
    pub partial: Option<Value>,
}

/// How a prediction ended.
#[derive(Debug, Clone)]
pub struct Finished {
    pub outcome: Result<Value, Failure>,
    pub logs: String,
    /// From acceptance until dispatch.
    pub queue_ms: f64,
    /// From dispatch to the worker until its answer.
    pub predict_ms: f64,
    pub started_at: Option<Timestamp>,
    pub completed_at: Timestamp,
}

impl Ticket {
    pub fn id(&self) -> &Id {
        &self.0.id
    }

    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.0.loaded
    }

    /// The input as it goes to the record.
    pub fn stored_input(&self) -> &Stored {
        &self.0.stored_input
    }

    /// The principal's id.
    pub fn by(&self) -> &Id {
        &self.0.by
    }

    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    pub fn snapshot(&self) -> Snapshot {
        match self.told() {
            Some(finished) => self.ended(&finished),
            None => self.going_on(),
        }
    }

    /// Events numbered after `seq`, oldest first; the log is bounded, so a very old number may skip some.
    pub fn events_after(&self, seq: u64) -> Vec<Event> {
        self.0.state().events.after(seq)
    }

    /// The bytes that `$attachment` number `n` of an `output` event stands for.
    pub fn attachment(&self, n: usize) -> Option<Bytes> {
        let state = self.0.state();
        let mut attachments = state.chunks.iter().flat_map(|chunk| &chunk.attachments);
        attachments.nth(n).cloned()
    }

    /// Resolves when there is an event with a number over `seq`, or it is final.
    pub async fn changed(&self, seq: u64) {
        self.0.changed(seq).await;
    }

    /// From now on a job's record says how it ended, nothing else. False when it has ended already: then it stays what it is.
    pub fn hand_over(&self) -> bool {
        self.0.hand_over()
    }

    /// How it ended, for whoever asks: of one that was handed over, nobody is told before its job's record has it.
    pub fn told(&self) -> Option<Arc<Finished>> {
        self.finished().filter(|_| !self.0.is_handed_over())
    }

    /// Whether it has ended and its job's record is to say so.
    pub fn ends_with_its_job(&self) -> bool {
        self.0.is_handed_over() && self.0.finished().is_some()
    }

    /// How it ended, when it has; told or not.
    pub fn finished(&self) -> Option<Arc<Finished>> {
        self.0.finished().cloned()
    }

    /// Resolves when it ends; everybody gets the same.
    pub async fn done(&self) -> Arc<Finished> {
        self.0.done().await
    }

    fn going_on(&self) -> Snapshot {
        // The pool is asked before the entry is locked: that is the order of the two locks everywhere.
        let place = self.0.pool.place_of(&self.0);
        let state = self.0.state();
        let (status, phase, text) = if state.canceling {
            (Status::Processing, Phase::Canceling, "canceling".to_owned())
        } else if state.running {
            (
                Status::Processing,
                Phase::Running,
                running(state.progress.as_ref()),
            )
        } else {
            (Status::Starting, place.phase, place.text.clone())
        };
        let waits = !state.running;
        let Place { ahead, eta_s, .. } = place;
        Snapshot {
            status,
            phase,
            text,
            position: ahead.filter(|_| waits).map(|ahead| ahead + 1),
            ahead: ahead.filter(|_| waits),
            eta_s: eta_s.filter(|_| waits),
            progress: state.progress.clone(),
            started_at: state.sent.map(|(_, at)| at),
            logs: state.logs.text(),
            partial: (!state.chunks.is_empty()).then(|| values::join(&state.chunks)),
        }
    }

    fn ended(&self, finished: &Finished) -> Snapshot {
        Snapshot {
            status: match &finished.outcome {
                Ok(_) => Status::Succeeded,
                Err(failure) => failure.status(),
            },
            phase: Phase::Done,
            text: String::new(),
            position: None,
            ahead: None,
            eta_s: None,
            progress: self.0.state().progress.clone(),
            started_at: finished.started_at,
            logs: finished.logs.clone(),
            partial: None,
        }
    }
}

fn running(progress: Option<&Progress>) -> String {
    match progress {
        Some(progress) if !progress.text.is_empty() => progress.text.clone(),
        _ => "running".to_owned(),
    }
}
