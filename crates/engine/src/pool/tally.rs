//! What a pool counts for `/metrics`, in atomics, so that no answer waits for a lock.
//! Does not know who reads it.

use crate::{
    gauges::{Histogram, SECONDS_BOUNDS},
    probation::Seen,
};
use onstage_core::outcome::Reason;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Every reason an answer can end with, in the order of the counters.
const REASONS: [Reason; 12] = [
    Reason::Ok,
    Reason::UserError,
    Reason::Exception,
    Reason::BadOutput,
    Reason::Timeout,
    Reason::OutOfMemory,
    Reason::SetupFailed,
    Reason::WorkerLost,
    Reason::NoCapacity,
    Reason::OverBudget,
    Reason::Canceled,
    Reason::Expired,
];

#[derive(Default)]
pub(crate) struct Tally {
    answers: [AtomicU64; REASONS.len()],
    pub accepted: AtomicU64,
    pub finished: AtomicU64,
    pub refused: AtomicU64,
    pub starts: AtomicU64,
    pub deaths: AtomicU64,
    pub failed_starts: AtomicU64,
    pub strays: AtomicU64,
    pub microbatches: AtomicU64,
    pub predict: Seconds,
    pub queue: Seconds,
}

impl Tally {
    pub(crate) fn answered(&self, reason: Reason, queue: Duration, predict: Duration) {
        if let Some(place) = REASONS.iter().position(|known| *known == reason) {
            self.answers[place].fetch_add(1, Relaxed);
        }
        self.queue.add(queue);
        self.predict.add(predict);
        self.finished.fetch_add(1, Relaxed);
    }

    pub(crate) fn answers(&self) -> Vec<(Reason, u64)> {
        REASONS
            .iter()
            .zip(&self.answers)
            .map(|(reason, count)| (*reason, count.load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// What a probation looks at.
    pub(crate) fn seen(&self) -> Seen {
        let mut seen = Seen {
            troubles: self.deaths.load(Relaxed) + self.failed_starts.load(Relaxed),
            ..Seen::default()
        };
        for (reason, count) in self.answers() {
            match reason {
                Reason::Ok | Reason::UserError => seen.good += count,
                Reason::Exception
                | Reason::BadOutput
                | Reason::Timeout
                | Reason::OutOfMemory
                | Reason::SetupFailed
                | Reason::WorkerLost => seen.bad += count,
                Reason::NoCapacity | Reason::OverBudget | Reason::Canceled | Reason::Expired => {}
            }
        }
        seen
    }

    /// Accepted and not ended.
    pub(crate) fn open(&self) -> u64 {
        self.accepted
            .load(Relaxed)
            .saturating_sub(self.finished.load(Relaxed))
    }
}

/// A histogram in atomics.
#[derive(Default)]
pub(crate) struct Seconds {
    counts: [AtomicU64; SECONDS_BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Seconds {
    fn add(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let place = SECONDS_BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(time.as_micros() as u64, Relaxed);
    }

    pub(crate) fn read(&self) -> Histogram {
        let mut histogram = Histogram {
            sum: self.sum_micros.load(Relaxed) as f64 / 1e6,
            ..Histogram::default()
        };
        for (count, read) in self.counts.iter().zip(&mut histogram.counts) {
            *read = count.load(Relaxed);
            histogram.count += *read;
        }
        histogram
    }
}
