//! Times as figures: how many, and their quantiles in milliseconds.
//! Does not know what took so long.

use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Times {
    pub(crate) fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self {
            count: seconds.len(),
            p50_ms: quantile(&seconds, 0.5),
            p99_ms: quantile(&seconds, 0.99),
            max_ms: quantile(&seconds, 1.0),
        }
    }
}

/// The smallest value that the given share does not exceed; 0 when there is none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .map_or(0.0, |seconds| seconds * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let times = Times::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(
            (times.count, times.p50_ms, times.p99_ms, times.max_ms),
            (200, 100_000.0, 198_000.0, 200_000.0)
        );
        assert_eq!(Times::of(Vec::new()).p99_ms, 0.0);
    }
}
