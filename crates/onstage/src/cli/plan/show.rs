//! A plan as a table for people and as JSON for programs.
//! Does not compute anything but sums.

use super::{
    model::Planned,
    prices::{Bill, Price},
    sweep,
};
use crate::cli::{exit::Failure, print};
use onstage_engine::sim::{Outcome, Tried};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn table(planned: &Planned, outcome: &Outcome, bill: &Bill) -> Result<(), Failure> {
    let latency = |share| time(outcome.latencies.quantile(share));
    let asked = outcome.accepted + outcome.refused;
    let share = |count: u64| {
        format!(
            "{count} ({:.2} %)",
            100.0 * count as f64 / asked.max(1) as f64
        )
    };
    let mut rows = vec![
        ["model".to_owned(), planned.name.clone()],
        ["settings".to_owned(), sweep::in_words(&planned.setup)],
        [
            "requests".to_owned(),
            format!("{asked} in {}", time(outcome.length)),
        ],
        [
            "latency".to_owned(),
            format!(
                "p50 {}, p95 {}, p99 {}, at most {}",
                latency(0.5),
                latency(0.95),
                latency(0.99),
                time(outcome.latencies.max())
            ),
        ],
        [
            "in time".to_owned(),
            format!(
                "{} within {}; {:.1} a second",
                share(outcome.in_time),
                time(outcome.goal),
                outcome.goodput()
            ),
        ],
        ["refused".to_owned(), share(outcome.refused)],
        ["expired".to_owned(), share(outcome.expired)],
        [
            "workers".to_owned(),
            format!(
                "{:.1} on average, {} at most, {} starts",
                outcome.workers_mean(),
                outcome.workers_peak,
                outcome.starts
            ),
        ],
        [
            "worker-seconds".to_owned(),
            format!(
                "{:.0}, {:.0} of them computing",
                outcome.alive.as_secs_f64(),
                outcome.busy.as_secs_f64()
            ),
        ],
        [
            "microbatches".to_owned(),
            format!(
                "{} of {:.1} on average",
                outcome.microbatches(),
                outcome.mean_size()
            ),
        ],
        ["memory".to_owned(), memory(outcome.memory_peak)],
    ];
    rows.extend(prices(bill));
    print::table(&["plan", ""], rows.into_iter().map(Vec::from).collect())
}

fn memory(bytes: u64) -> String {
    match bytes {
        0 => "unknown; say `--memory`".to_owned(),
        bytes => format!("{} at most", print::size(bytes)),
    }
}

fn prices(bill: &Bill) -> Vec<[String; 2]> {
    let row = |price: &Price| {
        let usd = match &price.usd {
            Ok(usd) => format!(
                "{} ({} a month, if it goes on like this)",
                dollars(*usd),
                dollars(usd * bill.times_a_month)
            ),
            Err(why) => why.clone(),
        };
        [
            format!("price: {}", price.place),
            format!("{usd}; {}", price.how),
        ]
    };
    bill.prices.iter().map(row).collect()
}

pub(super) fn json(
    planned: &Planned,
    outcome: &Outcome,
    bill: &Bill,
    best: Option<&Tried>,
) -> Value {
    let seconds = |time: Duration| time.as_secs_f64();
    let latency = |share| seconds(outcome.latencies.quantile(share));
    let changes = outcome
        .workers
        .iter()
        .map(|change| json!([seconds(change.at), change.alive]));
    json!({
        "model": planned.name,
        "assumed": planned.assumed,
        "goal_s": seconds(outcome.goal),
        "setting": sweep::lines(&planned.setup),
        "swept": best.is_some(),
        "requests": outcome.accepted + outcome.refused,
        "answered": outcome.answered,
        "refused": outcome.refused,
        "expired": outcome.expired,
        "in_time": outcome.in_time,
        "goodput": outcome.goodput(),
        "latency_s": {
            "p50": latency(0.5),
            "p95": latency(0.95),
            "p99": latency(0.99),
            "max": seconds(outcome.latencies.max()),
        },
        "seconds": seconds(outcome.length),
        "worker_seconds": seconds(outcome.alive),
        "busy_seconds": seconds(outcome.busy),
        "workers_mean": outcome.workers_mean(),
        "workers_max": outcome.workers_peak,
        "starts": outcome.starts,
        "workers": changes.collect::<Vec<_>>(),
        "microbatch_items": outcome.mean_size(),
        "memory_bytes": outcome.memory_peak,
        "prices": bill.json(),
    })
}

/// `1.25 s`, `340 ms`, `2.5 h`.
pub(super) fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.000_95 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 0.999_5 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 180.0 => format!("{seconds:.2} s"),
        seconds if seconds < 7_200.0 => format!("{:.1} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3_600.0),
    }
}

fn dollars(usd: f64) -> String {
    match usd {
        0.0 => "0 USD".to_owned(),
        usd if usd < 0.01 => format!("{usd:.5} USD"),
        usd => format!("{usd:.2} USD"),
    }
}
