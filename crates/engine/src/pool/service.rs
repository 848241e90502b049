//! What is measured about a version's answers: time per item and per microbatch, and what follows for those who wait.
//! Pure.

use std::time::Duration;

/// How much the newest measurement counts.
const NEWEST_SHARE: f64 = 0.1;
/// What a refused caller is told to wait at least and at most.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Moving averages.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Service {
    item: Option<f64>,
    microbatch: Option<f64>,
    startup: Option<f64>,
}

impl Service {
    pub(crate) fn measured(&mut self, items: usize, time: Duration) {
        let seconds = time.as_secs_f64();
        blend(&mut self.item, seconds / items.max(1) as f64);
        blend(&mut self.microbatch, seconds);
    }

    pub(crate) fn started_in(&mut self, time: Duration) {
        blend(&mut self.startup, time.as_secs_f64());
    }

    pub(crate) fn item_time(&self) -> Option<Duration> {
        self.item.map(Duration::from_secs_f64)
    }

    pub(crate) fn microbatch_time(&self) -> Option<Duration> {
        self.microbatch.map(Duration::from_secs_f64)
    }

    pub(crate) fn startup_time(&self) -> Option<Duration> {
        self.startup.map(Duration::from_secs_f64)
    }

    /// How long `items` take when `workers` share them, up to `many_max` in one call where the model can; none
    /// before anything was measured.
    pub(crate) fn time_for(
        &self,
        items: usize,
        many_max: Option<usize>,
        workers: usize,
    ) -> Option<Duration> {
        let workers = workers.max(1);
        let seconds = match many_max {
            // A call may take as long for a hundred as for one.
            Some(max) => self.microbatch? * items.div_ceil(max.max(1)).div_ceil(workers) as f64,
            None => self.item? * items as f64 / workers as f64,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// When a refused caller may come again: half of the queue will be gone.
    pub(crate) fn retry_after(
        &self,
        queued: usize,
        many_max: Option<usize>,
        workers: usize,
    ) -> Duration {
        let half = self
            .time_for(queued / 2, many_max, workers)
            .unwrap_or_default();
        let whole = Duration::from_secs(half.as_secs_f64().ceil() as u64);
        whole.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

fn blend(average: &mut Option<f64>, newest: f64) {
    *average = Some(match *average {
        None => newest,
        Some(old) => old + (newest - old) * NEWEST_SHARE,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_callers_are_told_from_what_was_measured() {
        let mut service = Service::default();
        assert_eq!(service.retry_after(1000, None, 1), RETRY_AFTER_MIN);
        service.measured(10, Duration::from_secs(1));
        assert_eq!(service.item_time(), Some(Duration::from_millis(100)));
        assert_eq!(service.retry_after(100, None, 1), Duration::from_secs(5));
        assert_eq!(service.retry_after(100, None, 5), Duration::from_secs(1));
        assert_eq!(service.retry_after(1_000_000, None, 1), RETRY_AFTER_MAX);
    }

    #[test]
    fn a_call_for_many_takes_as_long_for_a_hundred_as_for_one() {
        let mut service = Service::default();
        service.measured(1, Duration::from_secs(1));
        let eta = |items, workers| service.time_for(items, Some(100), workers);
        assert_eq!(eta(145, 1), Some(Duration::from_secs(2)));
        assert_eq!(eta(145, 2), Some(Duration::from_secs(1)));
    }
}
