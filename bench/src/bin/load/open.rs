//! The open loop: requests leave at the times of a Poisson process, and wait for no earlier answer.
//! A time counts from when the request should have left, so a slow server cannot hide behind a waiting client.

use crate::{
    client::{self, Client},
    figures::Times,
    plan::Open,
};
use serde::Serialize;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};
use tokio::task::LocalSet;

/// Answers that say: not now.
const REFUSALS: [u16; 2] = [429, 503];

#[derive(Serialize)]
pub(crate) struct Figures {
    sent: usize,
    /// With a right answer.
    answered: Times,
    refused: Times,
    /// Everything else: the status, `timeout`, or what was wrong with the connection; each with how often.
    failed: BTreeMap<String, usize>,
    /// How late requests left because this program was busy.
    lag: Times,
    /// From the first request to the last answer.
    seconds: f64,
}

#[derive(Default)]
struct Seen {
    answered: Vec<f64>,
    refused: Vec<f64>,
    failed: BTreeMap<String, usize>,
}

pub(crate) async fn run(plan: Open) -> Figures {
    let times = departures(&plan.phases, plan.seed);
    let client = Rc::new(Client::new(plan.ask, plan.connections_max));
    let (timeout, expect) = (
        Duration::from_secs_f64(plan.timeout_s),
        Rc::new(plan.expect),
    );
    let seen = Rc::new(RefCell::new(Seen::default()));
    let begun = client::now();
    let (mut lag, mut asked) = (
        Vec::with_capacity(times.len()),
        Vec::with_capacity(times.len()),
    );
    LocalSet::new()
        .run_until(async {
            for time in &times {
                let intended = begun + Duration::from_secs_f64(*time);
                tokio::time::sleep_until(intended).await;
                lag.push((client::now() - intended).as_secs_f64());
                let (client, seen, expect) = (client.clone(), seen.clone(), expect.clone());
                asked.push(client::spawn(async move {
                    let answer = tokio::time::timeout_at(intended + timeout, client.ask()).await;
                    let took = (client::now() - intended).as_secs_f64();
                    note(&mut seen.borrow_mut(), answer, took, &expect);
                }));
            }
            for one in asked {
                // One that panicked is missing from the counts, which the caller compares with `sent`.
                let _ = one.await;
            }
        })
        .await;
    let seen = seen.take();
    Figures {
        sent: times.len(),
        answered: Times::of(seen.answered),
        refused: Times::of(seen.refused),
        failed: seen.failed,
        lag: Times::of(lag),
        seconds: (client::now() - begun).as_secs_f64(),
    }
}

type Answered = Result<Result<client::Answer, client::Fault>, tokio::time::error::Elapsed>;

fn note(seen: &mut Seen, answer: Answered, took: f64, expect: &str) {
    let trouble = match answer {
        Ok(Ok(answer)) if REFUSALS.contains(&answer.status) => return seen.refused.push(took),
        Ok(Ok(answer)) if (200..300).contains(&answer.status) => {
            if contains(&answer.body, expect.as_bytes()) {
                return seen.answered.push(took);
            }
            format!("{} with another body", answer.status)
        }
        Ok(Ok(answer)) => answer.status.to_string(),
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => "timeout".to_owned(),
    };
    *seen.failed.entry(trouble).or_default() += 1;
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty()
        || haystack
            .windows(needle.len())
            .any(|window| window == needle)
}

/// The times of a Poisson process whose rate changes from phase to phase, in seconds from the beginning.
fn departures(phases: &[(f64, f64)], seed: u64) -> Vec<f64> {
    let (mut random, mut times, mut begin) = (Random(seed), Vec::new(), 0.0);
    for (rate, seconds) in phases {
        let mut at = begin + random.gap(*rate);
        while at < begin + seconds {
            times.push(at);
            at += random.gap(*rate);
        }
        begin += seconds;
    }
    times
}

/// SplitMix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn gap(&mut self, rate: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let uniform = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln() / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departures_keep_their_rate_and_their_seed() {
        let phases = [(20.0, 20.0), (500.0, 30.0)];
        let times = departures(&phases, 7);
        let calm = times.iter().filter(|time| **time < 20.0).count();
        let spike = times.len() - calm;
        // Four standard deviations around the mean.
        assert!((320..=480).contains(&calm), "{calm}");
        assert!((14_510..=15_490).contains(&spike), "{spike}");
        assert!(times.is_sorted() && times.last().is_some_and(|last| *last < 50.0));
        assert_eq!(times, departures(&phases, 7));
        assert_ne!(times, departures(&phases, 8));
    }
}
