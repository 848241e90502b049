//! What the scaler, the windows and the batcher come to under loads: spikes, steps, days, nothing.

use super::*;
use crate::batcher::Wait;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The heavy model: a second for up to a hundred, weights shared by quick forks.
fn heavy() -> Setup {
    Setup {
        shape: Shape {
            many_max: Some(100),
            wait: Wait::Auto,
        },
        latency_goal: None,
        workers_min: 1,
        workers_max: 7,
        idle: seconds(5.0),
        queue_items_max: Some(8_192),
        deadline: None,
        call: CallTime {
            fixed: seconds(1.0),
            each: Duration::ZERO,
            spread: 0.0,
        },
        start: seconds(0.015),
        memory: Memory::default(),
        callers: 1,
        seed: 1,
    }
}

fn uneven() -> Load {
    let (calm, spike) = ((15.0, 20.0), (30.0, 500.0));
    Load::of(&[calm, spike, calm, spike, calm, spike, calm])
}

fn told(outcome: &Outcome) -> String {
    let q = |share| outcome.latencies.quantile(share).as_secs_f64();
    format!(
        "asked {} answered {} refused {} expired {} p50 {:.3} p95 {:.3} p99 {:.3} max {:.3} in time {:.4} starts {} peak {} alive {:.1} busy {:.1} size {:.1} back {:?}",
        outcome.accepted + outcome.refused,
        outcome.answered,
        outcome.refused,
        outcome.expired,
        q(0.5),
        q(0.95),
        q(0.99),
        q(1.0),
        outcome.in_time as f64 / outcome.accepted as f64,
        outcome.starts,
        outcome.workers_peak,
        outcome.alive.as_secs_f64(),
        outcome.busy.as_secs_f64(),
        outcome.mean_size(),
        outcome.back_to_min
    )
}

#[test]
#[ignore = "prints"]
fn look_at() {
    for min in [1, 2] {
        for wait in [Wait::Auto, Wait::Fixed(Duration::ZERO)] {
            let mut setup = heavy();
            setup.workers_min = min;
            setup.shape.wait = wait;
            for seed in 1..4 {
                setup.seed = seed;
                let outcome = simulate(&setup, &uneven());
                println!("P2b min {min} {wait:?} {}", told(&outcome));
                if seed == 1 {
                    let line: Vec<_> = (0..300)
                        .map(|s| outcome.workers_at(seconds(s as f64 * 0.5)).to_string())
                        .collect();
                    println!("{}", line.join(""));
                }
            }
        }
    }
    for (min, start) in [(7, 0.015), (1, 0.015), (0, 2.0)] {
        let mut setup = heavy();
        setup.workers_min = min;
        setup.start = seconds(start);
        setup.latency_goal = Some(seconds(1.15));
        let outcome = simulate(&setup, &Load::constant(500.0, 40.0));
        println!("P2 min {min} start {start} {}", told(&outcome));
    }
}
