//! One run's events on their way to the store: collected as they come, written in groups under the lease.
//! Does not know what the run computes.

use super::{
    events,
    logs::{Keep, LogKeep, MUCH_IS_PRINTED},
    persist,
    tab::Used,
};
use crate::{
    parts::Parts,
    spawn::spawn,
    values::store_value,
    worker::{End, LogLine},
};
use onstage_core::{
    Kind, Result, Timestamp,
    event::{EventKind, NewEvent},
    job::Lease,
    outcome::{Phase, Progress},
    value::{Stored, Value},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_util::task::AbortOnDropHandle;

/// Between two writes of a run's events.
const FLUSH_EVERY_MS: u64 = 250;
/// Events of one write.
const EVENTS_A_WRITE_MAX: usize = 500;
/// Metric and item events kept of one run.
const SMALL_EVENTS_MAX: usize = 10_000;
/// Progress is shown at most once per this part of the time the run has taken, so that a long run does not fill the log.
const PROGRESS_SHARE: u32 = 100;

/// The events of one run.
pub(crate) struct Journal {
    pub(crate) lease: Lease,
    parts: Parts,
    began: Duration,
    buffer: Mutex<Buffer>,
    used: Mutex<Used>,
    /// Held while writing, so that groups stay in order.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Buffer {
    entries: Vec<Entry>,
    keep: LogKeep,
    small_events: usize,
    /// It was told to wait for something.
    waits: bool,
    progress_at: Option<Duration>,
}

#[derive(Clone)]
enum Entry {
    Event(NewEvent),
    Progress(Progress, Timestamp),
    Log {
        source: String,
        level: String,
        text: String,
        at: Timestamp,
    },
    Chunk(u64, Value, Timestamp),
}

/// Writes what the runs say while they go on; a lease that was lost is noticed by its own beats. Ends when it is dropped.
pub(crate) fn flush_often(
    what: &'static str,
    journals: Vec<Arc<Journal>>,
) -> AbortOnDropHandle<Option<()>> {
    let flushing = async move {
        loop {
            tokio::time::sleep(Duration::from_millis(FLUSH_EVERY_MS)).await;
            for journal in &journals {
                if let Err(error) = journal.flush().await {
                    tracing::debug!(job = %journal.lease.job, %error, "events were not written");
                }
            }
        }
    };
    AbortOnDropHandle::new(spawn(what, flushing))
}

impl Journal {
    pub(crate) fn new(parts: &Parts, lease: Lease) -> Self {
        Self {
            lease,
            parts: parts.clone(),
            began: parts.clock.monotonic(),
            buffer: Mutex::default(),
            used: Mutex::default(),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// A worker has answered an item of the run.
    pub(crate) fn took(&self, end: &End) {
        let (End::Output { predict, .. } | End::Failed { predict, .. }) = end else {
            return;
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.items += 1;
        used.time += predict.share;
    }

    pub(crate) fn used(&self) -> Used {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn event(&self, event: NewEvent) {
        let mut buffer = self.buffer();
        buffer.waits |= event.kind == EventKind::Phase;
        if matches!(event.kind, EventKind::Metric | EventKind::Item) {
            buffer.small_events += 1;
            if buffer.small_events > SMALL_EVENTS_MAX {
                return;
            }
        }
        buffer.entries.push(Entry::Event(event));
    }

    /// It computes now. Said only to whoever was told of another phase before: a job that starts at once needs no event for it.
    pub(crate) fn running(&self) {
        let at = self.parts.clock.now();
        let mut buffer = self.buffer();
        if std::mem::take(&mut buffer.waits) {
            let event = events::phase(Phase::Running, "running", at);
            buffer.entries.push(Entry::Event(event));
        }
    }

    pub(crate) fn line(&self, line: &LogLine<'_>) {
        let at = self.parts.clock.now();
        let mut buffer = self.buffer();
        match buffer.keep.push(line.text) {
            Keep::Now => buffer.log(line.source, line.level, line.text, at),
            Keep::FirstLater => {
                buffer.log("onstage", "warning", MUCH_IS_PRINTED, at);
            }
            Keep::Later => {}
        }
    }

    pub(crate) fn metric(&self, values: &BTreeMap<String, f64>, step: Option<f64>) {
        self.event(events::metric(values, step, self.parts.clock.now()));
    }

    /// A metric of a series that was thinned already: kept however many there are.
    pub(crate) fn point(&self, values: &BTreeMap<String, f64>, step: Option<f64>) {
        let event = events::metric(values, step, self.parts.clock.now());
        self.buffer().entries.push(Entry::Event(event));
    }

    pub(crate) fn progress(&self, progress: Progress) {
        let (at, now) = (self.parts.clock.now(), self.parts.clock.monotonic());
        let pause = now.saturating_sub(self.began) / PROGRESS_SHARE;
        let mut buffer = self.buffer();
        if let Some(Entry::Progress(last, said_at)) = buffer.entries.last_mut() {
            *last = progress;
            *said_at = at;
        } else if buffer.progress_at.is_none_or(|last| now >= last + pause) {
            buffer.progress_at = Some(now);
            buffer.entries.push(Entry::Progress(progress, at));
        }
    }

    pub(crate) fn chunk(&self, index: u64, output: Value) {
        let at = self.parts.clock.now();
        self.buffer().entries.push(Entry::Chunk(index, output, at));
    }

    /// Whether something other than the run's start waits to be written, the end of a long log included, or is being written:
    /// a store may well finish first what was begun later.
    pub(crate) fn has_news(&self) -> bool {
        if self.writing.try_lock().is_err() {
            return true;
        }
        let is_news =
            |entry: &Entry| !matches!(entry, Entry::Event(event) if event.kind == EventKind::Start);
        let buffer = self.buffer();
        buffer.keep.holds_back() || buffer.entries.iter().any(is_news)
    }

    /// Writes what there is. While the store is away nothing is lost, it is written later. Errors: lost.
    pub(crate) async fn flush(&self) -> Result<()> {
        let _turn = self.writing.lock().await;
        let mut entries = std::mem::take(&mut self.buffer().entries);
        match self.write(&mut entries).await {
            Err(error) if persist::waits_for_better_times(&error) => {
                let mut buffer = self.buffer();
                let newer = std::mem::replace(&mut buffer.entries, entries);
                buffer.entries.extend(newer);
                Ok(())
            }
            other => other,
        }
    }

    /// Writes everything, with the held-back end of the log, and insists. Errors: lost, or the store was away for too long.
    pub(crate) async fn close(&self) -> Result<()> {
        let _turn = self.writing.lock().await;
        let entries = {
            let mut buffer = self.buffer();
            let tail = buffer.keep.take_tail();
            if !tail.is_empty() {
                buffer.log(
                    "onstage",
                    "info",
                    tail.trim_end_matches('\n'),
                    self.parts.clock.now(),
                );
            }
            std::mem::take(&mut buffer.entries)
        };
        let left = tokio::sync::Mutex::new(entries);
        persist::insist(&self.parts, "writing events", || async {
            self.write(&mut *left.lock().await).await
        })
        .await
    }

    /// What has not been written, for who writes it after the end of the run.
    pub(crate) fn take_rest(&self) -> Vec<NewEvent> {
        let entries = std::mem::take(&mut self.buffer().entries);
        entries.into_iter().filter_map(Entry::plain).collect()
    }

    /// Takes out what it has written, so that nothing is written twice when a later part fails.
    async fn write(&self, entries: &mut Vec<Entry>) -> Result<()> {
        while !entries.is_empty() {
            let count = entries.len().min(EVENTS_A_WRITE_MAX);
            let mut events = Vec::with_capacity(count);
            for entry in &entries[..count] {
                events.push(match entry.clone() {
                    Entry::Chunk(index, value, at) => self.stored_chunk(index, &value, at).await?,
                    other => match other.plain() {
                        Some(event) => event,
                        None => continue,
                    },
                });
            }
            self.append(events).await?;
            entries.drain(..count);
        }
        Ok(())
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<()> {
        let (job, lease) = (&self.lease.job, Some(&self.lease));
        match self.parts.store.append_events(job, lease, events).await {
            Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => {
                Err(onstage_core::Error::lost("the job is gone").because(error))
            }
            other => other.map(|_| ()),
        }
    }

    async fn stored_chunk(&self, index: u64, value: &Value, at: Timestamp) -> Result<NewEvent> {
        let Lease { job, run, .. } = &self.lease;
        let prefix = format!("jobs/{job}/run-{run}/output-{index}");
        let text = match store_value(&*self.parts.blobs, &prefix, value).await? {
            Stored::Inline(text) => text,
            Stored::Removed => "null".to_owned(),
            Stored::Blob(blob) => json!({"$blob": blob.key, "media_type": "application/json", "size": blob.size_bytes}).to_string(),
        };
        Ok(events::output(index, &text, at))
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    /// Lines of one source and level that follow each other share an event.
    fn log(&mut self, source: &str, level: &str, line: &str, at: Timestamp) {
        if let Some(Entry::Log {
            source: s,
            level: l,
            text,
            ..
        }) = self.entries.last_mut()
            && s == source
            && l == level
        {
            text.push_str(line);
            text.push('\n');
            return;
        }
        self.entries.push(Entry::Log {
            source: source.to_owned(),
            level: level.to_owned(),
            text: format!("{line}\n"),
            at,
        });
    }
}

impl Entry {
    fn plain(self) -> Option<NewEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Progress(progress, at) => Some(events::progress(&progress, at)),
            Self::Log {
                source,
                level,
                text,
                at,
            } => Some(events::log(&source, &level, &text, at)),
            Self::Chunk(..) => None,
        }
    }
}
