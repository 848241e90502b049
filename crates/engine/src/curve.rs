//! How long a call takes for how many items: a straight line, learned from what was measured, the newest counting most.
//! Pure.

use std::time::Duration;

/// How much of the older measurements is left with each new one.
const OLDER_SHARE: f64 = 0.95;
/// How far beyond the largest microbatch seen the line is believed.
const BEYOND: f64 = 2.0;
/// Standard deviations above the mean under which 99 of 100 lie.
const P99_DEVIATIONS: f64 = 2.33;
/// Weight of sizes that differ below which a slope says nothing.
const SPREAD_MIN: f64 = 1e-3;

/// Sums of a weighted regression of seconds on items.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Curve {
    weight: f64,
    items: f64,
    items_squared: f64,
    seconds: f64,
    items_seconds: f64,
    /// Variance of what the line did not foresee.
    error_squared: f64,
    items_seen_max: f64,
}

impl Curve {
    pub(crate) fn measured(&mut self, items: usize, time: Duration) {
        let (items, seconds) = (items.max(1) as f64, time.as_secs_f64());
        if self.weight > 0.0 {
            let error = seconds - self.at(items);
            let newest = 1.0 - OLDER_SHARE;
            self.error_squared += (error * error - self.error_squared) * newest;
        }
        for (sum, value) in [
            (&mut self.weight, 1.0),
            (&mut self.items, items),
            (&mut self.items_squared, items * items),
            (&mut self.seconds, seconds),
            (&mut self.items_seconds, items * seconds),
        ] {
            *sum = *sum * OLDER_SHARE + value;
        }
        self.items_seen_max = items.max(self.items_seen_max * OLDER_SHARE);
    }

    /// Whether anything was measured.
    pub(crate) fn is_known(&self) -> bool {
        self.weight > 0.0
    }

    /// The expected time of a call for so many; zero when nothing is known.
    pub(crate) fn time(&self, items: usize) -> Duration {
        seconds(self.at(items as f64))
    }

    /// What 99 of 100 calls for so many take at most.
    pub(crate) fn time_p99(&self, items: usize) -> Duration {
        seconds(self.at(items as f64) + P99_DEVIATIONS * self.error_squared.sqrt())
    }

    /// The largest microbatch about which something may be said.
    pub(crate) fn items_believed(&self) -> usize {
        ((self.items_seen_max * BEYOND).ceil() as usize).max(1)
    }

    fn at(&self, items: f64) -> f64 {
        if self.weight == 0.0 {
            return 0.0;
        }
        let spread = self.weight * self.items_squared - self.items * self.items;
        let mean = self.seconds / self.weight;
        if spread <= SPREAD_MIN * self.weight * self.items_squared {
            return mean;
        }
        let slope = (self.weight * self.items_seconds - self.items * self.seconds) / spread;
        let slope = slope.max(0.0);
        (mean + slope * (items - self.items / self.weight)).max(0.0)
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(sizes: &[usize], time: impl Fn(usize) -> f64) -> Curve {
        let mut curve = Curve::default();
        for items in sizes.iter().cycle().take(200) {
            curve.measured(*items, Duration::from_secs_f64(time(*items)));
        }
        curve
    }

    fn near(time: Duration, seconds: f64) -> bool {
        (time.as_secs_f64() - seconds).abs() < 0.02 * seconds
    }

    #[test]
    fn it_learns_a_fixed_part_and_a_part_per_item() {
        let curve = learned(&[1, 8, 20], |items| 0.1 + 0.01 * items as f64);
        assert!(near(curve.time(10), 0.2), "{:?}", curve.time(10));
        assert!(near(curve.time(40), 0.5), "{:?}", curve.time(40));
        assert!((36..=40).contains(&curve.items_believed()));
    }

    #[test]
    fn calls_that_take_the_same_for_all_sizes_stay_so() {
        let curve = learned(&[1, 100, 57], |_| 1.0);
        assert!(near(curve.time(1), 1.0) && near(curve.time(100), 1.0));
        assert!(near(curve.time_p99(50), 1.0));
        let one_size = learned(&[4], |_| 0.3);
        assert!(near(one_size.time(4), 0.3) && near(one_size.time(8), 0.3));
    }

    #[test]
    fn a_model_that_became_slower_is_believed_soon() {
        let mut curve = learned(&[1, 2], |_| 0.1);
        for _ in 0..60 {
            curve.measured(1, Duration::from_secs(1));
        }
        assert!(
            curve.time(1) > Duration::from_millis(900),
            "{:?}",
            curve.time(1)
        );
        assert!(!Curve::default().is_known());
    }
}
