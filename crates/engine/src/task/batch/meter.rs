//! What the parts of one run of a batch job tell each other: how many rows there are, how fast they go, what helpers have done.
//! Does not decide anything.

use onstage_core::batch::Counts;
use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How many rows a table has for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    /// No row from here on is wanted.
    pub(crate) end: u64,
    /// Rows before it that are.
    pub(crate) chosen: u64,
}

/// One for each run.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    total: OnceLock<Total>,
    rows: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: Option<Duration>,
    ready: Option<Duration>,
    helped: Counts,
}

impl Meter {
    pub(crate) fn tell_total(&self, total: Total) {
        let _ = self.total.set(total);
    }

    pub(crate) fn total(&self) -> Option<Total> {
        self.total.get().copied()
    }

    /// A worker is waited for.
    pub(crate) fn asks(&self, now: Duration) {
        self.state().asked.get_or_insert(now);
    }

    /// The first worker is ready.
    pub(crate) fn ready(&self, now: Duration) {
        self.state().ready.get_or_insert(now);
    }

    pub(crate) fn row_done(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    /// Rows of this task a second since its worker was ready, and how long that had taken.
    pub(crate) fn pace(&self, now: Duration) -> Option<(f64, f64)> {
        let state = self.state();
        let (asked, ready) = (state.asked?, state.ready?);
        let seconds = now.saturating_sub(ready).as_secs_f64().max(1e-3);
        let rows = self.rows.load(Ordering::Relaxed);
        Some((
            rows as f64 / seconds,
            ready.saturating_sub(asked).as_secs_f64(),
        ))
    }

    pub(crate) fn tell_helped(&self, counts: Counts) {
        self.state().helped = counts;
    }

    /// What helpers have committed.
    pub(crate) fn helped(&self) -> Counts {
        self.state().helped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
