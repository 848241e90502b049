//! Latencies in a histogram of fixed size: quantiles good to one percent, an addition for each answer.
//! Does not know what was answered.

use std::time::Duration;

/// Each bucket reaches this much farther than the one before; its middle is off by half of that at most.
const STEP: f64 = 1.015;
/// The first bucket ends here.
const LEAST_SECONDS: f64 = 10e-6;
/// Up to a little over three hours.
const BUCKETS: usize = 1_400;

#[derive(Debug, Clone)]
pub struct Latencies {
    counts: Vec<u32>,
    count: u64,
    sum_seconds: f64,
    max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            count: 0,
            sum_seconds: 0.0,
            max: Duration::ZERO,
        }
    }
}

impl Latencies {
    pub fn add(&mut self, latency: Duration) {
        let seconds = latency.as_secs_f64();
        let place = ((seconds / LEAST_SECONDS).ln() / STEP.ln()).ceil().max(0.0) as usize;
        self.counts[place.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.sum_seconds += seconds;
        self.max = self.max.max(latency);
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum_seconds += other.sum_seconds;
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn max(&self) -> Duration {
        self.max
    }

    pub fn mean(&self) -> Duration {
        Duration::try_from_secs_f64(self.sum_seconds / self.count.max(1) as f64).unwrap_or_default()
    }

    /// What a share of the answers took at most; zero when there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.count as f64).ceil().max(1.0) as u64;
        if rank >= self.count {
            return self.max;
        }
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        let middle = match place {
            None | Some(0) => LEAST_SECONDS,
            Some(place) => LEAST_SECONDS * STEP.powf(place as f64 - 0.5),
        };
        Duration::from_secs_f64(middle).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    #[test]
    fn quantiles_are_good_to_one_percent() {
        let (mut latencies, mut all, mut random) =
            (Latencies::default(), Vec::new(), Random::new(3));
        for _ in 0..20_000 {
            let latency = Duration::from_secs_f64(random.gap(1.0) * random.gap(1.0) + 1e-4);
            latencies.add(latency);
            all.push(latency);
        }
        all.sort_unstable();
        for share in [0.01, 0.5, 0.9, 0.95, 0.99, 0.999] {
            let exact = all[(share * all.len() as f64).ceil() as usize - 1].as_secs_f64();
            let told = latencies.quantile(share).as_secs_f64();
            assert!(
                (told / exact - 1.0).abs() <= 0.01,
                "{share}: {told} for {exact}"
            );
        }
        assert_eq!(latencies.quantile(1.0), *all.last().unwrap());
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
    }
}
