//! One prediction in flight: its state, what its worker tells about it, and its one end.
//! Does not know how its pool works; it asks it for a place in the queue and to be taken back.

use super::{
    Finished,
    log::{EventLog, Fact},
};
use crate::worker::Took;
use crate::{
    ask::{Keep, Loaded},
    logs::KeptLog,
    pool::Pool,
    values,
    worker::{End, Item, LogLine, Sink},
};
use bytes::Bytes;
use onstage_core::{
    Id, Timestamp,
    outcome::{Failure, Progress, Reason},
    ports::Placed,
    value::{Stored, Value},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// How often an input is given to another worker after one went away under it.
const TRIES_MAX: u32 = 3;
/// Bytes of a streamed output, all pieces together.
const STREAM_BYTES_MAX: usize = 64 << 20;

pub(crate) struct Entry {
    pub id: Id,
    /// In the order of acceptance; also the id on a worker's wire.
    pub number: u64,
    pub loaded: Arc<Loaded>,
    pub size: Size,
    pub stored_input: Stored,
    pub by: Id,
    pub source: String,
    pub keep: Keep,
    pub created_at: Timestamp,
    pub accepted: Duration,
    /// Nobody waits after this point of monotonic time.
    pub until: Option<Duration>,
    pub seed: u64,
    pub pool: Arc<Pool>,
    me: Weak<Entry>,
    state: Mutex<State>,
    finished: OnceLock<Arc<Finished>>,
    /// Something happened.
    changed: Notify,
    /// It ended; apart, so that whoever waits for the answer is not woken before.
    ended: Notify,
    /// A job took it over: its record is the job.
    pub handed_over: AtomicBool,
}

/// Of an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub json_bytes: usize,
    /// With its attachments.
    pub bytes: usize,
}

pub(crate) struct State {
    /// Taken away at the end, so that a finished prediction does not hold it.
    input: Value,
    /// Taken away with it.
    placed: Arc<[Placed]>,
    pub events: EventLog,
    pub logs: KeptLog,
    pub progress: Option<Progress>,
    pub chunks: Vec<Value>,
    chunk_bytes: usize,
    /// When it was last given to a worker.
    pub sent: Option<(Duration, Timestamp)>,
    pub running: bool,
    pub canceling: bool,
    tries: u32,
}

/// What an entry is made of.
pub(crate) struct NewEntry {
    pub ask: crate::ask::Ask,
    pub number: u64,
    pub pool: Arc<Pool>,
    pub created_at: Timestamp,
    pub accepted: Duration,
    pub seed: u64,
    /// How many wait before it.
    pub ahead: u32,
}

impl Entry {
    pub(crate) fn new(new: NewEntry) -> Arc<Self> {
        let ask = new.ask;
        Arc::new_cyclic(|me| Self {
            id: ask.id,
            number: new.number,
            loaded: ask.version,
            size: Size {
                json_bytes: ask.input.json.len(),
                bytes: ask.input.len(),
            },
            stored_input: ask.stored_input,
            by: ask.by.id,
            source: ask.source,
            keep: ask.keep,
            created_at: new.created_at,
            accepted: new.accepted,
            until: ask.deadline.map(|deadline| new.accepted + deadline),
            seed: new.seed,
            pool: new.pool,
            me: me.clone(),
            state: Mutex::new(State {
                placed: ask.placed,
                ..State::new(ask.input, new.created_at, new.ahead)
            }),
            finished: OnceLock::new(),
            changed: Notify::new(),
            ended: Notify::new(),
            handed_over: AtomicBool::new(false),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn finished(&self) -> Option<&Arc<Finished>> {
        self.finished.get()
    }

    pub(crate) fn me(&self) -> Arc<Self> {
        self.me.upgrade().expect("an entry that is called is alive")
    }

    /// As a worker takes it.
    pub(crate) fn item(self: &Arc<Self>) -> Item {
        Item {
            id: self.number,
            input: self.state().input.clone(),
            seed: self.seed,
            limit: self.loaded.version.config.realtime.timeout.0,
            until: self.until,
            sink: self.clone(),
        }
    }

    pub(crate) fn tell(&self, fact: Fact) {
        let at = self.pool.clock.now();
        self.state().events.push(at, fact);
        self.changed.notify_waiters();
    }

    /// Resolves at an event over `seq`, or at the end.
    pub(crate) async fn changed(&self, seq: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change falls in between.
            changed.as_mut().enable();
            if self.finished.get().is_some() || self.state().events.last_seq() > seq {
                return;
            }
            changed.await;
        }
    }

    pub(crate) async fn done(&self) -> Arc<Finished> {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if let Some(finished) = self.finished.get() {
                return finished.clone();
            }
            ended.await;
        }
    }

    /// The one end. Later calls change nothing.
    pub(crate) fn finish(&self, outcome: Result<Value, Failure>, predict: Took) {
        let now = self.pool.clock.now();
        let mut state = self.state();
        if self.finished.get().is_some() {
            return;
        }
        let started = state.sent;
        let waited = started
            .map_or_else(|| self.pool.clock.monotonic(), |(sent, _)| sent)
            .saturating_sub(self.accepted);
        let status = match &outcome {
            Ok(_) => "succeeded",
            Err(failure) if failure.reason == Reason::Canceled => "canceled",
            Err(_) => "failed",
        };
        let bytes_in = std::mem::take(&mut state.input).len();
        state.placed = Arc::default();
        state.running = false;
        state.events.push(now, Fact::Completed { status });
        let logs = if state.logs.is_empty() {
            String::new()
        } else {
            state.logs.text()
        };
        let finished = Arc::new(Finished {
            outcome,
            logs,
            queue_ms: waited.as_secs_f64() * 1000.0,
            predict_ms: predict.whole.as_secs_f64() * 1000.0,
            started_at: started.map(|(_, at)| at),
            completed_at: now,
        });
        let first = self.finished.set(finished.clone()).is_ok();
        drop(state);
        // Counted before anybody is told, so that whoever has an answer finds it in the counts.
        if first {
            self.pool
                .finished(&self.me(), &finished, waited, predict, bytes_in);
        }
        self.ended.notify_waiters();
        self.changed.notify_waiters();
    }

    fn output(&self, output: Value, chunks: Option<u64>, predict: Took) {
        let value = match chunks {
            Some(_) => values::join(&self.state().chunks),
            None if self.loaded.schema.streams => values::join(&[]),
            None => output,
        };
        match self.loaded.output.check(&value.json) {
            Ok(()) => self.finish(Ok(value), predict),
            Err(errors) => self.finish(Err(bad_output(&errors)), predict),
        }
    }

    /// Its worker went away before answering: in again at the head, until that has happened too often.
    fn returned(&self, alone: bool, why: Failure) {
        let mut state = self.state();
        state.tries += 1;
        state.running = false;
        let given_up = state.tries > TRIES_MAX;
        drop(state);
        if given_up {
            return self.finish(Err(why), Took::default());
        }
        if let Err(failure) = self.pool.take_back(self.me(), alone) {
            self.finish(Err(failure), Took::default());
        }
    }
}

impl State {
    fn new(input: Value, at: Timestamp, ahead: u32) -> Self {
        let mut events = EventLog::default();
        events.push(at, Fact::Queued { ahead });
        Self {
            input,
            placed: Arc::default(),
            events,
            logs: KeptLog::default(),
            progress: None,
            chunks: Vec::new(),
            chunk_bytes: 0,
            sent: None,
            running: false,
            canceling: false,
            tries: 0,
        }
    }

    fn attachments(&self) -> usize {
        self.chunks
            .iter()
            .map(|chunk| chunk.attachments.len())
            .sum()
    }
}

impl Sink for Entry {
    fn started(&self) {
        let at = self.pool.clock.now();
        let now = self.pool.clock.monotonic();
        let mut state = self.state();
        let again = state.sent.replace((now, at)).is_some();
        state.running = true;
        if !again {
            state.events.push(at, Fact::Start);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn log(&self, line: &LogLine<'_>) {
        self.state().logs.push(line.text);
        self.tell(Fact::Log {
            source: known(line.source, &["stdout", "stderr", "log"]),
            level: known(line.level, &["info", "debug", "warning", "error"]),
            text: line.text.to_owned(),
        });
    }

    fn progress(&self, progress: Progress) {
        self.state().progress = Some(progress.clone());
        self.tell(Fact::Progress(progress));
    }

    fn metric(&self, values: &BTreeMap<String, f64>, step: Option<f64>) {
        let json = serde_json::json!({"values": values, "step": step}).to_string();
        self.tell(Fact::Metric { json });
    }

    fn chunk(&self, index: u64, output: Value) {
        let mut state = self.state();
        state.chunk_bytes += output.len();
        if state.chunk_bytes > STREAM_BYTES_MAX {
            drop(state);
            let message =
                format!("the pieces of the output are over the limit of {STREAM_BYTES_MAX} bytes");
            self.finish(
                Err(Failure::new(Reason::BadOutput, message)),
                Took::default(),
            );
            return self.pool.tell_workers_to_cancel(self.number);
        }
        let chunk: Bytes = values::shifted(&output, state.attachments());
        state.chunks.push(output);
        drop(state);
        self.tell(Fact::Output { index, chunk });
    }

    fn given_back(&self) {
        self.state().running = false;
        if let Err(failure) = self.pool.take_back(self.me(), false) {
            self.finish(Err(failure), Took::default());
        }
    }

    fn end(&self, end: End) {
        match end {
            End::Output {
                output,
                chunks,
                predict,
                ..
            } => self.output(output, chunks, predict),
            End::Failed { failure, predict } => self.finish(Err(failure), predict),
            End::Returned { alone, why } => self.returned(alone, why),
        }
    }
}

impl Entry {
    /// Under the lock that an end is set under, so that one of the two is first for everybody.
    pub(crate) fn hand_over(&self) -> bool {
        let _state = self.state();
        let goes_on = self.finished.get().is_none();
        if goes_on {
            self.handed_over.store(true, Ordering::Relaxed);
        }
        goes_on
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed)
    }
}

fn known(word: &str, words: &[&'static str]) -> &'static str {
    words
        .iter()
        .find(|known| **known == word)
        .unwrap_or(&words[0])
}

fn bad_output(errors: &[onstage_core::ports::CheckError]) -> Failure {
    let message = match errors.first() {
        Some(error) => format!(
            "the answer does not fit its declared type: at `{}` expected {}, got {}",
            error.pointer, error.expected, error.got
        ),
        None => "the answer does not fit its declared type".to_owned(),
    };
    Failure::new(Reason::BadOutput, message)
}
