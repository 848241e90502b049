//! What a simulation comes to: answers, latencies, workers over time and what they cost.
//! Does not know how it was found.

use super::Latencies;
use std::time::Duration;

/// How many slices of time a chart may show.
const SLICES: usize = 96;

#[derive(Debug, Clone)]
pub struct Outcome {
    /// Under which 99 of 100 answers should stay.
    pub goal: Duration,
    pub accepted: u64,
    pub answered: u64,
    pub refused: u64,
    pub expired: u64,
    /// Answered within the goal.
    pub in_time: u64,
    pub latencies: Latencies,
    /// Microbatches by their size.
    pub sizes: Vec<u64>,
    /// How long the load and its last answer took.
    pub length: Duration,
    pub starts: u64,
    /// How many workers there are, starting ones included, from when on.
    pub workers: Vec<Change>,
    pub workers_peak: usize,
    /// Time of workers within `length`: alive (they cost), and computing.
    pub alive: Duration,
    pub busy: Duration,
    pub memory_peak: u64,
    /// How long after the end of the load there were no more than the least; none when that was not seen.
    pub back_to_min: Option<Duration>,
    pub slices: Vec<Slice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub at: Duration,
    pub alive: usize,
}

/// A part of the time.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    pub arrived: u64,
    pub refused: u64,
    /// Of those that arrived in it.
    pub latencies: Latencies,
}

impl Outcome {
    pub(super) fn new(goal: Duration, items_max: usize) -> Self {
        Self {
            goal,
            accepted: 0,
            answered: 0,
            refused: 0,
            expired: 0,
            in_time: 0,
            latencies: Latencies::default(),
            sizes: vec![0; items_max + 1],
            length: Duration::ZERO,
            starts: 0,
            workers: Vec::new(),
            workers_peak: 0,
            alive: Duration::ZERO,
            busy: Duration::ZERO,
            memory_peak: 0,
            back_to_min: None,
            slices: vec![Slice::default(); SLICES],
        }
    }

    /// Answers in time, a second.
    pub fn goodput(&self) -> f64 {
        self.in_time as f64 / self.length.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Answered, of all that were asked.
    pub fn answered_share(&self) -> f64 {
        let asked = self.accepted + self.refused;
        match asked {
            0 => 1.0,
            asked => self.answered as f64 / asked as f64,
        }
    }

    pub fn microbatches(&self) -> u64 {
        self.sizes.iter().sum()
    }

    pub fn mean_size(&self) -> f64 {
        self.answered as f64 / self.microbatches().max(1) as f64
    }

    /// Workers on average.
    pub fn workers_mean(&self) -> f64 {
        self.alive.as_secs_f64() / self.length.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// How many workers there are at a point of time.
    pub fn workers_at(&self, at: Duration) -> usize {
        let place = self.workers.partition_point(|change| change.at <= at);
        place.checked_sub(1).map_or(0, |at| self.workers[at].alive)
    }
}
