//! How many jobs to claim and how long to wait when there are none: pure decisions.
//! Knows no store.

use std::time::Duration;

/// Predictions claimed at once, whatever the model says.
const CLAIMED_MAX: u32 = 64;
/// Quick predictions are claimed together when they take about this long altogether.
const QUICK_GROUP_MS: f64 = 200.0;
/// An idle task looks for work in one part in so many of its time.
const LOOK_SHARE: u32 = 20;
/// Shortest and longest wait of an idle task between two looks: a store on this disk answers in a moment and is asked often, one
/// that is far away is not.
const IDLE_WAIT_MS_MIN: u64 = 3;
const IDLE_WAIT_MS_MAX: u64 = 200;

/// What is known of how long predictions take here.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Milliseconds a job, over the last few.
    mean_ms: Option<f64>,
    /// The last claim found as many as it asked for: there are more, and they are likely predictions again.
    pub(crate) found_plenty: bool,
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

/// How long an idle task waits after a look in vain that took so long.
pub(crate) fn idle_wait(look: Duration) -> Duration {
    (look * LOOK_SHARE).clamp(
        Duration::from_millis(IDLE_WAIT_MS_MIN),
        Duration::from_millis(IDLE_WAIT_MS_MAX),
    )
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
    fn an_idle_task_asks_a_slow_store_less_often() {
        let wait = |look_us| idle_wait(Duration::from_micros(look_us)).as_micros();
        let waits = [50, 400, 2_000, 1_000_000].map(wait);
        assert_eq!(waits, [3_000, 8_000, 40_000, 200_000]);
    }
}
