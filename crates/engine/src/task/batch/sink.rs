//! Hears what becomes of one row's item.
//! Does not know the row.

use super::window::Seq;
use crate::{
    task::journal::Journal,
    values::join,
    worker::{End, LogLine, Sink},
};
use onstage_core::value::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// What all rows of a job tell, and to whom.
#[derive(Clone)]
pub(crate) struct Mouth {
    /// One message per row at the worker, so it is bounded by the window.
    pub(crate) ends: mpsc::UnboundedSender<(Seq, End)>,
    pub(crate) journal: Arc<Journal>,
    last_line: Arc<Mutex<Option<(Seq, String)>>>,
}

impl Mouth {
    pub(crate) fn new(journal: Arc<Journal>) -> (Self, mpsc::UnboundedReceiver<(Seq, End)>) {
        let (ends, inbox) = mpsc::unbounded_channel();
        let mouth = Self {
            ends,
            journal,
            last_line: Arc::default(),
        };
        (mouth, inbox)
    }

    /// A line that nobody owns is told to every row of the microbatch, one after the other; it is written once.
    fn is_echo(&self, seq: Seq, text: &str) -> bool {
        let mut last = self
            .last_line
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((teller, line)) if *teller < seq && line == text => {
                *teller = seq;
                true
            }
            _ => {
                *last = Some((seq, text.to_owned()));
                false
            }
        }
    }

    /// After an answer the same words come from somebody else.
    fn forget_line(&self) {
        *self
            .last_line
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// One row.
pub(crate) struct RowSink {
    pub(crate) seq: Seq,
    pub(crate) mouth: Mouth,
    pieces: Mutex<Vec<Value>>,
}

impl RowSink {
    pub(crate) fn new(seq: Seq, mouth: Mouth) -> Self {
        Self {
            seq,
            mouth,
            pieces: Mutex::default(),
        }
    }
}

impl Sink for RowSink {
    fn log(&self, line: &LogLine<'_>) {
        if !self.mouth.is_echo(self.seq, line.text) {
            self.mouth.journal.line(line);
        }
    }

    fn chunk(&self, _index: u64, output: Value) {
        self.pieces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(output);
    }

    /// A streamed answer is whole again.
    fn end(&self, end: End) {
        let end = match end {
            End::Output {
                chunks: Some(_),
                metrics,
                predict,
                ..
            } => {
                let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
                End::Output {
                    output: join(&pieces),
                    chunks: None,
                    metrics,
                    predict,
                }
            }
            other => other,
        };
        self.mouth.forget_line();
        self.mouth.journal.took(&end);
        // Nobody listens any more when the job was given up.
        let _ = self.mouth.ends.send((self.seq, end));
    }
}
