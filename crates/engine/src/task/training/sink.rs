//! Hears what becomes of a training, and passes on what it asks.
//! Does not answer anything.

use super::series::{Series, Values};
use crate::{
    task::{hold::Voice, journal::Journal},
    worker::{Asked, End, LogLine, Sink},
};
use onstage_core::outcome::{Phase, Progress};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc;

pub(super) struct TrainingSink {
    journal: Arc<Journal>,
    voice: Voice,
    /// One message a training.
    ends: mpsc::UnboundedSender<End>,
    /// As many as threads of the author's code wait for an answer.
    asked: mpsc::UnboundedSender<Asked>,
    series: Mutex<Series>,
}

pub(super) type Heard = (
    Arc<TrainingSink>,
    mpsc::UnboundedReceiver<End>,
    mpsc::UnboundedReceiver<Asked>,
);

impl TrainingSink {
    pub(super) fn new(journal: &Arc<Journal>, voice: Voice) -> Heard {
        let (ends, end) = mpsc::unbounded_channel();
        let (asked, questions) = mpsc::unbounded_channel();
        let sink = Arc::new(Self {
            journal: journal.clone(),
            voice,
            ends,
            asked,
            series: Mutex::default(),
        });
        (sink, end, questions)
    }

    pub(super) fn last_metrics(&self) -> Values {
        self.series().last().clone()
    }

    fn series(&self) -> MutexGuard<'_, Series> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for TrainingSink {
    fn started(&self) {
        self.voice.say(Phase::Running, None);
        self.journal.running();
    }

    fn log(&self, line: &LogLine<'_>) {
        self.journal.line(line);
    }

    fn progress(&self, progress: Progress) {
        self.voice.say(Phase::Running, Some(progress.clone()));
        self.journal.progress(progress);
    }

    fn metric(&self, values: &BTreeMap<String, f64>, step: Option<f64>) {
        if self.series().push(values, step) {
            self.journal.point(values, step);
        }
    }

    fn asked(&self, asked: Asked) {
        let _ = self.asked.send(asked);
    }

    fn end(&self, end: End) {
        self.journal.took(&end);
        for (values, step) in self.series().take_held() {
            self.journal.point(&values, step);
        }
        // Nobody listens any more when the training was given up.
        let _ = self.ends.send(end);
    }
}
