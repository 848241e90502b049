//! The recorder: writes the records of finished predictions behind their answers, in groups, within a bounded buffer.
//! Never slows an answer: when the store cannot keep up, the oldest unsampled record is dropped and counted.

use crate::{
    ask::Keep,
    parts::{Parts, Settings},
    registry::Registry,
    spawn::spawn,
    ticket::Entry,
    values::store_value,
};
use onstage_core::prediction::{PredictionEnd, PredictionRecord};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Bytes of outputs that wait to be recorded.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How long a group that the store refused waits.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Inner>);

struct Inner {
    parts: Parts,
    registry: Arc<Registry>,
    waiting_max: usize,
    group_max: usize,
    pause: Duration,
    waiting: Mutex<Waiting>,
    added: Notify,
    flushed: Notify,
    idle: AtomicBool,
    pub dropped: AtomicU64,
    pub written: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    sampled: VecDeque<Arc<Entry>>,
    always: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Taken out and not yet written.
    writing: usize,
}

impl Recorder {
    pub(crate) fn start(parts: Parts, settings: &Settings, registry: Arc<Registry>) -> Self {
        let recorder = Self(Arc::new(Inner {
            parts,
            registry,
            waiting_max: settings.records_waiting_max,
            group_max: settings.records_group_max.max(1),
            pause: settings.records_pause,
            waiting: Mutex::new(Waiting::default()),
            added: Notify::new(),
            flushed: Notify::new(),
            idle: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }));
        spawn("recorder", recorder.clone().run());
        recorder
    }

    /// Takes a finished prediction; failed ones are always kept.
    pub(crate) fn add(&self, entry: Arc<Entry>) {
        if entry.is_handed_over() {
            return self.0.registry.remove(&entry);
        }
        let always = entry.keep == Keep::Always || failed(&entry);
        let mut waiting = self.waiting();
        waiting.bytes += output_bytes(&entry);
        if always {
            waiting.always.push_back(entry);
        } else {
            waiting.sampled.push_back(entry);
        }
        let dropped = waiting.shrink(self.0.waiting_max);
        drop(waiting);
        for entry in &dropped {
            self.0.registry.remove(entry);
        }
        self.0.dropped.fetch_add(dropped.len() as u64, Relaxed);
        if self.0.idle.swap(false, Relaxed) {
            self.0.added.notify_one();
        }
    }

    /// So many that must be kept are waiting that no more may be promised.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting().always.len() >= self.0.waiting_max.saturating_mul(2)
    }

    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (
            self.waiting().len() as u64,
            self.0.dropped.load(Relaxed),
            self.0.written.load(Relaxed),
        )
    }

    /// Waits until everything is written, at most so long.
    pub(crate) async fn flush(&self, most: Duration) {
        let all = async {
            loop {
                let flushed = self.0.flushed.notified();
                tokio::pin!(flushed);
                flushed.as_mut().enable();
                if self.waiting().len() == 0 {
                    return;
                }
                self.0.added.notify_one();
                flushed.await;
            }
        };
        if tokio::time::timeout(most, all).await.is_err() {
            let left = self.waiting().len();
            tracing::warn!(left, "records were not written before the shutdown");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn run(self) {
        loop {
            let group = self.waiting().take(self.0.group_max);
            if group.is_empty() {
                self.0.flushed.notify_waiters();
                self.0.idle.store(true, Relaxed);
                if self.waiting().len() == 0 {
                    self.0.added.notified().await;
                }
                continue;
            }
            self.write(&group).await;
            for entry in &group {
                self.0.registry.remove(entry);
            }
            self.waiting().writing = 0;
            // A pause lets the next group grow, so that commits stay few.
            tokio::time::sleep(self.0.pause).await;
        }
    }

    /// Writes a group, trying again while the store is away. The buffer keeps its bounds meanwhile.
    async fn write(&self, group: &[Arc<Entry>]) {
        let mut records = Vec::with_capacity(group.len());
        for entry in group {
            // Handed over while it waited: its record is the job.
            if entry.is_handed_over() {
                continue;
            }
            match self.record_of(entry).await {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::warn!(prediction = %entry.id, %error, "a prediction was not recorded");
                    self.0.dropped.fetch_add(1, Relaxed);
                }
            }
        }
        while !records.is_empty() {
            match self.0.parts.store.record(records.clone()).await {
                Ok(()) => {
                    self.0.written.fetch_add(records.len() as u64, Relaxed);
                    return;
                }
                Err(error) if error.kind.retryable() || error.kind == onstage_core::Kind::Full => {
                    tracing::warn!(%error, records = records.len(), "records cannot be written now; they wait");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
                Err(error) => {
                    tracing::error!(%error, records = records.len(), "records were refused");
                    self.0.dropped.fetch_add(records.len() as u64, Relaxed);
                    return;
                }
            }
        }
    }

    async fn record_of(&self, entry: &Entry) -> onstage_core::Result<PredictionRecord> {
        let finished = entry.finished().ok_or_else(|| {
            onstage_core::Error::internal("only finished predictions are recorded")
        })?;
        let end = match &finished.outcome {
            Ok(value) => {
                let prefix = format!("predictions/{}", entry.id);
                PredictionEnd::Output(store_value(&*self.0.parts.blobs, &prefix, value).await?)
            }
            Err(failure) => PredictionEnd::Failure(failure.clone()),
        };
        Ok(PredictionRecord {
            id: entry.id.clone(),
            model: entry.loaded.model.clone(),
            version: entry.loaded.version.id.clone(),
            version_number: entry.loaded.version.number,
            input: entry.stored_input.clone(),
            end,
            logs: finished.logs.clone(),
            predict_ms: finished.predict_ms,
            queue_ms: finished.queue_ms,
            by: entry.by.clone(),
            source: entry.source.clone(),
            created_at: entry.created_at,
            started_at: finished.started_at.unwrap_or(finished.completed_at),
            completed_at: finished.completed_at,
        })
    }
}

impl Waiting {
    fn len(&self) -> usize {
        self.sampled.len() + self.always.len() + self.writing
    }

    fn take(&mut self, most: usize) -> Vec<Arc<Entry>> {
        let always = self.always.len().min(most);
        let sampled = self.sampled.len().min(most - always);
        let mut group: Vec<_> = self.always.drain(..always).collect();
        group.extend(self.sampled.drain(..sampled));
        for entry in &group {
            self.bytes = self.bytes.saturating_sub(output_bytes(entry));
        }
        self.writing = group.len();
        group
    }

    /// Drops the oldest that may be dropped until the buffer is within its bounds.
    fn shrink(&mut self, items_max: usize) -> Vec<Arc<Entry>> {
        let mut dropped = Vec::new();
        while self.sampled.len() > items_max
            || (self.bytes > WAITING_BYTES_MAX && !self.sampled.is_empty())
        {
            let Some(oldest) = self.sampled.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(output_bytes(&oldest));
            dropped.push(oldest);
        }
        dropped
    }
}

fn failed(entry: &Entry) -> bool {
    entry
        .finished()
        .is_some_and(|finished| finished.outcome.is_err())
}

fn output_bytes(entry: &Entry) -> usize {
    entry
        .finished()
        .and_then(|finished| finished.outcome.as_ref().ok())
        .map_or(0, onstage_core::value::Value::len)
}
