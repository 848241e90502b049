//! What a training asks while it runs, and the way back for the answer.
//! Does not know how it is answered.

use super::drive::Order;
use onstage_core::wire::{ToWorker, from_worker::Question};
use tokio::sync::{mpsc, oneshot};

/// The author's code waits for the answer to one question. Dropped without one, it is told that nobody answers.
pub struct Asked {
    pub question: Question,
    request: u64,
    way_back: Option<WayBack>,
}

enum WayBack {
    Worker(mpsc::WeakUnboundedSender<Order>),
    /// Somebody plays the worker.
    Scripted(oneshot::Sender<Result<String, String>>),
}

/// An answer on its way to the worker.
pub(super) enum Reply {
    Kept {
        request: u64,
        kept: Result<(), String>,
    },
    Placed {
        request: u64,
        placed: Result<String, String>,
    },
}

impl Asked {
    pub(super) fn new(
        request: u64,
        question: Question,
        answers: mpsc::WeakUnboundedSender<Order>,
    ) -> Self {
        Self {
            question,
            request,
            way_back: Some(WayBack::Worker(answers)),
        }
    }

    /// For whoever plays a worker; the answer comes out of the receiver.
    pub fn scripted(question: Question) -> (Self, oneshot::Receiver<Result<String, String>>) {
        let (way_back, answer) = oneshot::channel();
        let asked = Self {
            question,
            request: 0,
            way_back: Some(WayBack::Scripted(way_back)),
        };
        (asked, answer)
    }

    /// What is answered: for a dataset, JSON text of the object that stands for it; for a checkpoint, nothing.
    pub fn answer(mut self, answer: Result<String, String>) {
        self.send(answer);
    }

    fn send(&mut self, answer: Result<String, String>) {
        let orders = match self.way_back.take() {
            Some(WayBack::Worker(orders)) => orders,
            Some(WayBack::Scripted(way_back)) => {
                let _ = way_back.send(answer);
                return;
            }
            None => return,
        };
        let request = self.request;
        let reply = match self.question {
            Question::Checkpoint { .. } => Reply::Kept {
                request,
                kept: answer.map(drop),
            },
            Question::Dataset { .. } => Reply::Placed {
                request,
                placed: answer,
            },
        };
        // A worker that is gone waits for nothing.
        if let Some(orders) = orders.upgrade() {
            let _ = orders.send(Order::Reply(reply));
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.send(Err("only a training that runs can ask this".to_owned()));
    }
}

impl Reply {
    pub(super) fn message(&self) -> ToWorker<'_> {
        match self {
            Self::Kept { request, kept } => ToWorker::Checkpoint {
                request: *request,
                error: kept.as_ref().err().map(String::as_str),
            },
            Self::Placed { request, placed } => ToWorker::Dataset {
                request: *request,
                answer: placed.as_deref().map_err(String::as_str),
            },
        }
    }
}
