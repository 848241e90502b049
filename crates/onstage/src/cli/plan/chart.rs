//! A plan over time in the terminal: requests, workers and latency as rows of bars.
//! Knows eight heights and no colours, so that it can be read anywhere.

use super::show::time;
use crate::cli::{exit::Failure, print};
use onstage_engine::sim::Outcome;
use std::time::Duration;

const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn print(outcome: &Outcome) -> Result<(), Failure> {
    let series = Series::of(outcome);
    print::line("")?;
    for (name, values, most) in [
        (
            "requests",
            &series.rates,
            format!("{:.0}/s", series.most(&series.rates)),
        ),
        (
            "workers",
            &series.workers,
            format!("{:.0}", series.most(&series.workers)),
        ),
        (
            "p99",
            &series.p99,
            time(Duration::from_secs_f64(series.most(&series.p99))),
        ),
        (
            "refused",
            &series.refused,
            format!("{:.0}/s", series.most(&series.refused)),
        ),
    ] {
        if name == "refused" && outcome.refused == 0 {
            continue;
        }
        print::line(&format!("{name:<9}{} up to {most}", bars(values)))?;
    }
    print::line(&format!("{:<9}0{:>96}", "", time(outcome.length)))
}

/// What is shown, a value for each slice of time.
pub(super) struct Series {
    pub rates: Vec<f64>,
    pub workers: Vec<f64>,
    pub p50: Vec<f64>,
    pub p99: Vec<f64>,
    pub refused: Vec<f64>,
}

impl Series {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let slices = &outcome.slices;
        let seconds = outcome.length.as_secs_f64() / slices.len().max(1) as f64;
        let rate = |count: u64| count as f64 / seconds.max(f64::MIN_POSITIVE);
        let latency = |share: f64| {
            let all = slices
                .iter()
                .map(|slice| slice.latencies.quantile(share).as_secs_f64());
            all.collect()
        };
        // The most within a slice: a short peak must not fall between two looks.
        let most = |place: usize| {
            let (from, to) = (seconds * place as f64, seconds * (place + 1) as f64);
            let within = outcome
                .workers
                .iter()
                .map(|change| (change.at.as_secs_f64(), change.alive));
            let within = within
                .filter(|(at, _)| (from..to).contains(at))
                .map(|(_, alive)| alive);
            let at_first = outcome.workers_at(Duration::from_secs_f64(from));
            within.chain([at_first]).max().unwrap_or(0) as f64
        };
        Self {
            rates: slices.iter().map(|slice| rate(slice.arrived)).collect(),
            workers: (0..slices.len()).map(most).collect(),
            p50: latency(0.5),
            p99: latency(0.99),
            refused: slices.iter().map(|slice| rate(slice.refused)).collect(),
        }
    }

    pub(super) fn most(&self, values: &[f64]) -> f64 {
        values.iter().copied().fold(0.0, f64::max)
    }
}

fn bars(values: &[f64]) -> String {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let bar = |value: &f64| {
        let height = (value / most * (BARS.len() - 1) as f64).round() as usize;
        // What is there at all is seen.
        BARS[height.max(usize::from(*value > 0.0)).min(BARS.len() - 1)]
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_values_and_little_is_not_nothing() {
        assert_eq!(bars(&[0.0, 0.01, 4.0, 8.0]), " ▁▄█");
        assert_eq!(bars(&[0.0, 0.0]), "  ");
    }
}
