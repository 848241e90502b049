//! Numbers for `/metrics`: what each version's pool holds and has done, as plain data.
//! Does not know Prometheus.

use onstage_core::{ModelName, model::VersionId, outcome::Reason};

/// Upper bounds in seconds of the histograms' buckets.
pub const SECONDS_BOUNDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    pub pools: Vec<PoolGauges>,
    /// Finished predictions not yet written.
    pub records_waiting: u64,
    /// Records that were dropped because the store could not keep up.
    pub records_dropped: u64,
    pub records_written: u64,
    pub builds_running: u32,
}

/// One version's pool.
#[derive(Debug, Clone)]
pub struct PoolGauges {
    pub model: ModelName,
    pub version: VersionId,
    pub version_number: u32,
    pub live: bool,
    pub queued: u32,
    pub in_flight: u32,
    pub workers: WorkerCounts,
    /// How many answers ended with each reason.
    pub answers: Vec<(Reason, u64)>,
    pub refused: u64,
    /// Worker starts, and workers that died or were killed for misbehaving.
    pub starts: u64,
    pub deaths: u64,
    /// Answers that came for nobody: too late, or with an unknown id.
    pub strays: u64,
    pub microbatches: u64,
    pub predict_seconds: Histogram,
    pub queue_seconds: Histogram,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    pub starting: u32,
    pub idle: u32,
    pub busy: u32,
    pub stopping: u32,
}

impl WorkerCounts {
    /// Those that answer.
    pub fn ready(self) -> u32 {
        self.idle + self.busy
    }
}

/// Counts per bucket (not cumulative); the last is for what is over every bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    pub counts: [u64; SECONDS_BOUNDS.len() + 1],
    pub sum: f64,
    pub count: u64,
}

impl Histogram {
    pub fn add(&mut self, seconds: f64) {
        let place = SECONDS_BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[place] += 1;
        self.sum += seconds;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_value_once() {
        let mut histogram = Histogram::default();
        for seconds in [0.0, 0.001, 0.0011, 59.0, 1000.0] {
            histogram.add(seconds);
        }
        assert_eq!(histogram.counts[0], 2);
        assert_eq!(histogram.counts[1], 1);
        assert_eq!(histogram.counts[SECONDS_BOUNDS.len()], 1);
        assert_eq!(histogram.counts.iter().sum::<u64>(), histogram.count);
    }
}
