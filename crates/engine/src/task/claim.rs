//! How many jobs to claim and how long to wait when there are none: pure decisions.
//! Knows no store.

use std::time::Duration;

/// Predictions claimed at once, whatever the model says.
const CLAIMED_MAX: u32 = 64;
/// Quick predictions are claimed together when they take about this long altogether.
const QUICK_GROUP_MS: f64 = 200.0;
/// First wait of an idle task; doubles.
const IDLE_WAIT_MS_MIN: u64 = 5;
/// Longest wait of an idle task.
const IDLE_WAIT_MS_MAX: u64 = 200;

/// What is known of how long predictions take here.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Milliseconds a job, over the last few.
    mean_ms: Option<f64>,
}

impl Measured {
    pub(crate) fn add(&mut self, jobs: usize, took: Duration) {
        let each = took.as_secs_f64() * 1_000.0 / jobs.max(1) as f64;
        self.mean_ms = Some(self.mean_ms.map_or(each, |mean| mean * 0.7 + each * 0.3));
    }

    /// How many predictions to claim: a whole microbatch where the model takes one, else as many as are done in a moment. Nobody else gets at claimed jobs, so slow ones are claimed one by one.
    pub(crate) fn claim_limit(&self, many_max: Option<u32>) -> u32 {
        let quick = self
            .mean_ms
            .map_or(1, |mean| (QUICK_GROUP_MS / mean.max(0.1)) as u32);
        many_max.unwrap_or(1).max(quick).clamp(1, CLAIMED_MAX)
    }
}

/// How long an idle task waits after so many looks in vain.
pub(crate) fn idle_wait(looks: u32) -> Duration {
    let doubled = IDLE_WAIT_MS_MIN << looks.min(10);
    Duration::from_millis(doubled.min(IDLE_WAIT_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_jobs_are_claimed_one_by_one_and_quick_ones_together() {
        let mut measured = Measured::default();
        assert_eq!(measured.claim_limit(None), 1);
        assert_eq!(measured.claim_limit(Some(100)), 64);
        measured.add(1, Duration::from_secs(60));
        assert_eq!(measured.claim_limit(None), 1);
        assert_eq!(measured.claim_limit(Some(8)), 8);
        for _ in 0..40 {
            measured.add(10, Duration::from_millis(100));
        }
        assert!((15..=20).contains(&measured.claim_limit(None)));
    }

    #[test]
    fn an_idle_task_looks_less_and_less_often() {
        let waits: Vec<u128> = (0..8).map(|looks| idle_wait(looks).as_millis()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 200, 200]);
        assert_eq!(idle_wait(u32::MAX).as_millis(), 200);
    }
}
