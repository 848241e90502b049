//! What a task's jobs have computed and for whom: added up, and written as sums of a day every few seconds and at the end.
//! What a killed task had not written is lost: the time of runs that it did not end, and seconds of those it did.

use super::desk::Desk;
use crate::meter;
use onstage_core::{
    Id, Result,
    job::{Job, JobKind},
    usage::{self, Amounts, Usage, UsageKind},
};
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const SETTLE_EVERY: Duration = Duration::from_secs(5);

/// What one run has used of its worker.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Used {
    pub(crate) items: u64,
    pub(crate) time: Duration,
}

#[derive(Default)]
pub(crate) struct Tab {
    sums: Mutex<HashMap<(Id, UsageKind), Amounts>>,
    /// The most memory that the worker was seen to use.
    memory_bytes: AtomicU64,
}

impl Tab {
    fn sums(&self) -> MutexGuard<'_, HashMap<(Id, UsageKind), Amounts>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// A run of the job has ended.
    pub(crate) fn note(&self, job: &Job, used: Used) {
        let key = (job.by.clone(), kind(job.spec.kind()));
        *self.tab.sums().entry(key).or_default() += self.amounts(used);
    }

    pub(crate) fn amounts(&self, used: Used) -> Amounts {
        let memory_bytes = self.tab.memory_bytes.load(Relaxed);
        let worker = meter::job_worker(self.limits(), &self.loaded.version.config, memory_bytes);
        Amounts {
            runs: used.items,
            ..worker.in_time(used.time)
        }
    }

    /// Writes now and then until the task is drained. What is being written then gets done: nobody could say whether it was.
    pub(crate) async fn settle_until(&self, drained: &CancellationToken) {
        loop {
            tokio::select! {
                () = drained.cancelled() => return,
                () = tokio::time::sleep(SETTLE_EVERY) => {}
            }
            self.look_at_memory().await;
            if let Err(error) = self.settle().await {
                tracing::debug!(%error, "usage cannot be written now; it is added up meanwhile");
            }
        }
    }

    /// For work that is done before the first regular look.
    pub(crate) async fn look_at_memory_once(&self) {
        if self.tab.memory_bytes.load(Relaxed) == 0 {
            self.look_at_memory().await;
        }
    }

    async fn look_at_memory(&self) {
        let Some(hands) = self.staff.current() else {
            return;
        };
        if let Some(bytes) = hands.memory_bytes().await {
            self.tab.memory_bytes.fetch_max(bytes, Relaxed);
        }
    }

    /// Writes what was noted since the last time.
    pub(crate) async fn settle(&self) -> Result<()> {
        let taken = std::mem::take(&mut *self.tab.sums());
        if taken.is_empty() {
            return Ok(());
        }
        let day = usage::day_of(self.parts.clock.now());
        let row = |((by, kind), amounts): (&(Id, UsageKind), &Amounts)| Usage {
            day,
            model: self.loaded.model.clone(),
            version_number: self.loaded.version.number,
            by: by.clone(),
            kind: *kind,
            amounts: *amounts,
        };
        let written = (self.parts.store)
            .add_usage(taken.iter().map(row).collect())
            .await;
        if written.is_err() {
            let mut sums = self.tab.sums();
            for (key, amounts) in taken {
                *sums.entry(key).or_default() += amounts;
            }
        }
        written
    }
}

fn kind(kind: JobKind) -> UsageKind {
    match kind {
        JobKind::Prediction => UsageKind::Background,
        JobKind::Batch => UsageKind::Batch,
        JobKind::Training => UsageKind::Training,
    }
}
