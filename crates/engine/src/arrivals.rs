//! How many requests come in a second, from counts in short spans of time.
//! Pure; costs an addition for each request.

use std::time::Duration;

const SPAN: Duration = Duration::from_millis(250);
const SPANS: usize = 8;
/// The newest full spans that tell of a sudden change.
const RECENT: usize = 2;
/// A few at once are a coincidence, and tell nothing of the time between them.
const BURST_COUNT_MIN: u32 = 4;
const BURST_MIN: Duration = Duration::from_millis(100);
/// Standard deviations of a steady load's count beyond which it has changed.
const CHANGE_DEVIATIONS: f64 = 3.0;

/// Counts in the last two seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals {
    /// Full spans, the newest last.
    counts: [u32; SPANS],
    full: usize,
    current: u32,
    /// Which span of time is the current one.
    number: u64,
}

/// Whether a count differs from the expected one no more than independent requests do.
fn is_chance(count: f64, expected: f64) -> bool {
    (count - expected).abs() <= CHANGE_DEVIATIONS * expected.max(1.0).sqrt()
}

impl Arrivals {
    pub(crate) fn add(&mut self, now: Duration) {
        self.roll(now);
        self.current = self.current.saturating_add(1);
    }

    /// Requests a second: over two seconds, or over the last half when that differs by more than chance explains, so that
    /// a rise and an end are seen at once and the noise of a steady load is not.
    pub(crate) fn rate(&mut self, now: Duration) -> f64 {
        self.roll(now);
        if let Some(burst) = self.burst(now) {
            return burst;
        }
        let (long, recent) = (self.over(SPANS), self.over(RECENT));
        let seconds = SPAN.as_secs_f64() * RECENT as f64;
        match is_chance(recent * seconds, long * seconds) {
            true => long,
            false => recent,
        }
    }

    /// The rate of the span that is not over, where it brought clearly more than was to be expected.
    fn burst(&self, now: Duration) -> Option<f64> {
        let passed = now
            .saturating_sub(Duration::from_nanos(SPAN.as_nanos() as u64 * self.number))
            .max(BURST_MIN);
        let (seconds, count) = (passed.as_secs_f64(), f64::from(self.current));
        let before = self.over(RECENT);
        let more = count > before * seconds && !is_chance(count, before * seconds);
        (more && self.current >= BURST_COUNT_MIN).then(|| count / seconds)
    }

    fn over(&self, spans: usize) -> f64 {
        let spans = spans.min(self.full);
        let newest = &self.counts[SPANS - spans..];
        let count: u32 = newest.iter().sum();
        match spans {
            0 => f64::from(self.current) / SPAN.as_secs_f64(),
            spans => f64::from(count) / (SPAN.as_secs_f64() * spans as f64),
        }
    }

    fn roll(&mut self, now: Duration) {
        let number = (now.as_nanos() / SPAN.as_nanos()) as u64;
        let passed = number.saturating_sub(self.number);
        if passed == 0 {
            return;
        }
        for place in 0..passed.min(SPANS as u64) {
            self.counts.rotate_left(1);
            self.counts[SPANS - 1] = if place == 0 { self.current } else { 0 };
        }
        self.full = (self.full as u64 + passed).min(SPANS as u64) as usize;
        self.current = 0;
        self.number = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(arrivals: &mut Arrivals, from: f64, to: f64, rate: f64) {
        for place in 0..((to - from) * rate) as u64 {
            arrivals.add(Duration::from_secs_f64(from + place as f64 / rate));
        }
    }

    #[test]
    fn it_tells_a_steady_rate_and_sees_a_spike_within_half_a_second() {
        let mut arrivals = Arrivals::default();
        steady(&mut arrivals, 0.0, 10.0, 20.0);
        let rate = arrivals.rate(Duration::from_secs(10));
        assert!((18.0..=24.0).contains(&rate), "{rate}");
        steady(&mut arrivals, 10.0, 10.5, 500.0);
        let rate = arrivals.rate(Duration::from_millis(10_500));
        assert!((450.0..=520.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_spike_is_seen_by_its_first_few_requests() {
        let mut arrivals = Arrivals::default();
        steady(&mut arrivals, 0.0, 10.0, 2.0);
        steady(&mut arrivals, 10.0, 10.1, 100.0);
        let rate = arrivals.rate(Duration::from_millis(10_100));
        assert!((90.0..=110.0).contains(&rate), "{rate}");
    }

    #[test]
    fn after_a_pause_nothing_comes() {
        let mut arrivals = Arrivals::default();
        steady(&mut arrivals, 0.0, 3.0, 100.0);
        assert!(arrivals.rate(Duration::from_millis(3_200)) > 40.0);
        // Half a second without any of a hundred is no chance.
        assert_eq!(arrivals.rate(Duration::from_millis(3_600)), 0.0);
        assert_eq!(arrivals.rate(Duration::from_secs(60)), 0.0);
    }

    #[test]
    fn a_pause_of_a_rare_load_is_chance() {
        let mut arrivals = Arrivals::default();
        steady(&mut arrivals, 0.0, 10.0, 2.0);
        assert!(arrivals.rate(Duration::from_millis(10_700)) >= 1.0);
    }
}
