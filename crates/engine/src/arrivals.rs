//! How many requests come in a second, from counts in short spans of time.
//! Pure; costs an addition for each request.

use std::time::Duration;

const SPAN: Duration = Duration::from_millis(250);
const SPANS: usize = 8;
/// The newest full spans that tell of a sudden change.
const RECENT: usize = 2;

/// Counts in the last two seconds.
#[derive(Debug, Clone, Default)]
pub struct Arrivals {
    /// Full spans, the newest last.
    counts: [u32; SPANS],
    full: usize,
    current: u32,
    /// Which span of time is the current one.
    number: u64,
}

impl Arrivals {
    pub fn add(&mut self, now: Duration) {
        self.roll(now);
        self.current = self.current.saturating_add(1);
    }

    /// Requests a second: the last two seconds or the last half, whichever is busier, so that a rise is seen at once
    /// and a short pause is none.
    pub fn rate(&mut self, now: Duration) -> f64 {
        self.roll(now);
        self.over(SPANS).max(self.over(RECENT))
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
    fn after_a_pause_nothing_comes() {
        let mut arrivals = Arrivals::default();
        steady(&mut arrivals, 0.0, 3.0, 100.0);
        assert!(arrivals.rate(Duration::from_millis(3_400)) > 40.0);
        assert_eq!(arrivals.rate(Duration::from_secs(60)), 0.0);
    }
}
