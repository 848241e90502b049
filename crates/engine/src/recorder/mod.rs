//! The recorder: writes the records of finished predictions behind their answers, in groups, within a bounded buffer.
//! Never slows an answer: when the store cannot keep up, fewer sampled records are taken in, then the oldest go, then the oldest failed ones; all are counted.

mod buffer;

use crate::{
    ask::Keep,
    parts::{Parts, Settings},
    reaper::forget,
    registry::Registry,
    spawn::spawn,
    ticket::Entry,
    values::{store_brief, store_value},
};
use buffer::{Bounds, Buffer, Worth};
use onstage_core::{
    Error, Kind,
    config::KeepSection,
    prediction::{PredictionEnd, PredictionRecord},
    value::Stored,
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Bytes of inputs, outputs, logs and events that wait to be recorded.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How long what the store or the blobs could not take waits.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Inner>);

struct Inner {
    parts: Parts,
    registry: Arc<Registry>,
    group_max: usize,
    pause: Duration,
    waiting: Mutex<Waiting>,
    added: Notify,
    /// Somebody waits for the next group: no pause before it.
    hurry: Notify,
    settled: Notify,
    idle: AtomicBool,
    pub dropped: AtomicU64,
    pub written: AtomicU64,
}

struct Waiting {
    buffer: Buffer<Arc<Entry>>,
    /// Taken out and not yet written.
    writing: usize,
    /// All that ever came in.
    added: u64,
    /// Of those: written, dropped or given up.
    settled: u64,
}

impl Waiting {
    fn len(&self) -> usize {
        self.buffer.len() + self.writing
    }
}

impl Recorder {
    pub(crate) fn start(parts: Parts, settings: &Settings, registry: Arc<Registry>) -> Self {
        let recorder = Self(Arc::new(Inner {
            parts,
            registry,
            group_max: settings.records_group_max.max(1),
            pause: settings.records_pause,
            waiting: Mutex::new(Waiting {
                buffer: Buffer::new(Bounds {
                    items: settings.records_waiting_max,
                    bytes: WAITING_BYTES_MAX,
                }),
                writing: 0,
                added: 0,
                settled: 0,
            }),
            added: Notify::new(),
            hurry: Notify::new(),
            settled: Notify::new(),
            idle: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }));
        spawn("recorder", recorder.clone().run());
        recorder
    }

    /// Takes a finished prediction.
    pub(crate) fn add(&self, entry: Arc<Entry>) {
        // Its record is the job; who adopted it takes it out of the registry when that is committed.
        if entry.is_handed_over() {
            return;
        }
        let (worth, bytes) = (worth(&entry), bytes_of(&entry));
        let dropped = {
            let mut waiting = self.waiting();
            let dropped = waiting.buffer.add(entry, worth, bytes);
            waiting.added += 1;
            waiting.settled += dropped.len() as u64;
            dropped
        };
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
        self.waiting().buffer.is_full()
    }

    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (
            self.waiting().len() as u64,
            self.0.dropped.load(Relaxed),
            self.0.written.load(Relaxed),
        )
    }

    /// Waits until as much is settled as had ended before the call, at most so long: whoever lists what they
    /// have been answered finds it. False when the time was over first.
    pub(crate) async fn caught_up(&self, most: Duration) -> bool {
        let target = self.waiting().added;
        let caught_up = async {
            loop {
                let settled = self.0.settled.notified();
                tokio::pin!(settled);
                settled.as_mut().enable();
                if self.waiting().settled >= target {
                    return;
                }
                self.0.hurry.notify_one();
                settled.await;
            }
        };
        tokio::time::timeout(most, caught_up).await.is_ok()
    }

    /// `caught_up` at the end.
    pub(crate) async fn flush(&self, most: Duration) {
        if !self.caught_up(most).await {
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
            let group = self.take();
            if group.is_empty() {
                self.0.idle.store(true, Relaxed);
                if self.waiting().len() == 0 {
                    self.0.added.notified().await;
                }
                continue;
            }
            self.write(&group).await;
            for entry in group.iter().filter(|entry| !entry.is_handed_over()) {
                self.0.registry.remove(entry);
            }
            self.settle();
            // A pause lets the next group grow, so that commits stay few.
            tokio::select! {
                () = tokio::time::sleep(self.0.pause) => {}
                () = self.0.hurry.notified() => {}
            }
        }
    }

    fn settle(&self) {
        {
            let mut waiting = self.waiting();
            waiting.settled += std::mem::take(&mut waiting.writing) as u64;
        }
        self.0.settled.notify_waiters();
    }

    fn take(&self) -> Vec<Arc<Entry>> {
        let mut waiting = self.waiting();
        let group = waiting.buffer.take(self.0.group_max);
        waiting.writing = group.len();
        group
    }

    /// Writes a group, trying again while the store or the blobs are away. The buffer keeps its bounds meanwhile.
    async fn write(&self, group: &[Arc<Entry>]) {
        let mut records = Vec::with_capacity(group.len());
        for entry in group {
            // Handed over while it waited: its record is the job.
            if entry.is_handed_over() {
                continue;
            }
            match self.make(entry).await {
                Ok(record) => records.push(record),
                Err(error) => self.give_up(&entry.id, &error),
            }
        }
        if records.is_empty() {
            return;
        }
        match self.keep(&records).await {
            Ok(()) => self.count_written(records.len()),
            Err(_) if records.len() > 1 => self.write_one_by_one(records).await,
            Err(error) => self.give_up(&records[0].id, &error),
        }
    }

    /// One record that the store refuses takes no other with it.
    async fn write_one_by_one(&self, records: Vec<PredictionRecord>) {
        for record in records {
            match self.keep(std::slice::from_ref(&record)).await {
                Ok(()) => self.count_written(1),
                Err(error) => self.give_up(&record.id, &error),
            }
        }
    }

    async fn make(&self, entry: &Entry) -> onstage_core::Result<PredictionRecord> {
        loop {
            match self.record_of(entry).await {
                Err(error) => wait_out(error, "an output").await?,
                made => return made,
            }
        }
    }

    async fn keep(&self, records: &[PredictionRecord]) -> onstage_core::Result<()> {
        loop {
            match self.0.parts.store.record(records.to_vec()).await {
                Err(error) => wait_out(error, "records").await?,
                kept => return kept,
            }
        }
    }

    fn count_written(&self, records: usize) {
        self.0.written.fetch_add(records as u64, Relaxed);
    }

    fn give_up(&self, id: &onstage_core::Id, error: &Error) {
        tracing::error!(prediction = %id, %error, "a prediction was not recorded");
        self.0.dropped.fetch_add(1, Relaxed);
    }

    async fn record_of(&self, entry: &Entry) -> onstage_core::Result<PredictionRecord> {
        let finished = entry
            .finished()
            .ok_or_else(|| Error::internal("only finished predictions are recorded"))?;
        let end = match &finished.outcome {
            Ok(value) => {
                let prefix = format!("predictions/{}", entry.id);
                let blobs = &*self.0.parts.blobs;
                PredictionEnd::Output(match entry.keep {
                    Keep::Brief => store_brief(blobs, &prefix, value).await?,
                    Keep::Always | Keep::Sampled => store_value(blobs, &prefix, value).await?,
                })
            }
            Err(failure) => PredictionEnd::Failure(failure.clone()),
        };
        let mut record = PredictionRecord {
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
        };
        self.leave_out(&mut record, &entry.loaded.version.config.keep)
            .await?;
        Ok(record)
    }

    /// What is not kept at all does not get into the record.
    async fn leave_out(
        &self,
        record: &mut PredictionRecord,
        keep: &KeepSection,
    ) -> onstage_core::Result<()> {
        for (part, _) in keep.spans().filter(|(_, span)| span.is_zero()) {
            let blobs = record.has_blobs(part);
            if record.remove(part) && blobs {
                forget::remove_blobs(&self.0.parts, &record.id, part).await?;
            }
        }
        Ok(())
    }
}

/// Waits when what stands in the way may pass; gives the error back otherwise.
async fn wait_out(error: Error, what: &str) -> onstage_core::Result<()> {
    if !error.kind.retryable() && error.kind != Kind::Full {
        return Err(error);
    }
    tracing::warn!(%error, what, "what is to be recorded cannot be written now; it waits");
    tokio::time::sleep(RETRY_WAIT).await;
    Ok(())
}

fn worth(entry: &Entry) -> Worth {
    let failed = entry
        .finished()
        .is_some_and(|finished| finished.outcome.is_err());
    match entry.keep {
        Keep::Always => Worth::Always,
        Keep::Sampled | Keep::Brief if failed => Worth::Failed,
        Keep::Sampled | Keep::Brief => Worth::Sampled,
    }
}

/// What an entry holds until it is recorded.
fn bytes_of(entry: &Entry) -> usize {
    let input = match &entry.stored_input {
        Stored::Inline(text) => text.len(),
        Stored::Blob(_) | Stored::Removed => 0,
    };
    let ended = entry.finished().map_or(0, |finished| {
        let output = finished.outcome.as_ref().ok();
        finished.logs.len() + output.map_or(0, onstage_core::value::Value::len)
    });
    input + ended + entry.state().events.bytes()
}
