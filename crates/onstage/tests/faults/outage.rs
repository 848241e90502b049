//! What a front does for those who ask it while its store is away, and how soon all is as before.
//! Knows neither the store nor what happened to it.

use crate::{
    actor::{self, Told, act},
    experiment::{Experiment, is_full},
    gauges::percentile,
    kills::caller::Caller,
    world::World,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Within the deadline of every call of the store, 10 s, and a second.
const REFUSED_MS_MAX: f64 = 11_000.0;
/// Of half of them: the first ones wait until it is known that the store is away. A short outage has few others.
const REFUSED_P50_MS_MAX: f64 = 1_000.0;
const NORMAL_MS_MAX: f64 = 5_000.0;
const CALL_EVERY: Duration = Duration::from_millis(40);
const SUBMIT_EVERY: Duration = Duration::from_millis(500);
/// The call that kills its worker: whoever reaps it cannot write that down.
const DEADLY_CALL: u64 = 20;
/// Apart from the numbers of everybody else's jobs.
const NUMBERS_FROM: u64 = 2_000_000_000;

/// A submission during the outage, and what became of it.
struct Try {
    n: u64,
    took: Duration,
    answered_at: Instant,
    answer: Option<(u16, Value)>,
}

/// The model that is asked meanwhile.
pub(crate) async fn push(world: &World) {
    actor::push(world, "actor", "workers = { min = 1, max = 2 }").await;
}

/// Asks and submits for so long, then has the store come back; answers how many submissions were not acknowledged.
pub(crate) async fn sit_out(
    it: &mut Experiment,
    world: &World,
    caller: &Caller,
    length: Duration,
    back: impl Future<Output = ()>,
) -> usize {
    let began = Instant::now();
    let first = NUMBERS_FROM + it.random(1_000_000_000);
    let tries = (0..).map_while(|place| {
        let after = SUBMIT_EVERY * place;
        (after < length).then(|| submit(caller, first + u64::from(place), after))
    });
    let returned = async {
        tokio::time::sleep(length).await;
        back.await;
        let at = Instant::now();
        let body = json!({"input": {"n": first - 1}});
        let path = "/v1/models/lab/kept/predictions";
        let (status, made) = caller.submit(path, &body, &format!("back {first}")).await;
        assert!(matches!(status, 200..=202), "{status} {made}");
        let taken = at.elapsed();
        let id = made["id"].as_str().unwrap();
        world.finished(&format!("/v1/predictions/{id}")).await;
        (at, taken, at.elapsed())
    };
    let (calls, tries, (back_at, taken, done)) = tokio::join!(
        calls(world, began + length),
        futures::future::join_all(tries),
        returned
    );
    tell_calls(it, &calls);
    it.ms_at_most("taken_again_after", taken, NORMAL_MS_MAX);
    it.ms_at_most("done_again_after", done, NORMAL_MS_MAX);
    // It is one more that the caller's own count does not know.
    1 + tell_tries(it, &tries, back_at)
}

async fn submit(caller: &Caller, n: u64, after: Duration) -> Try {
    tokio::time::sleep(after).await;
    let asked = Instant::now();
    let request = caller.request(Method::POST, "/v1/models/lab/kept/predictions");
    let answer = caller.ask(request.json(&json!({"input": {"n": n}}))).await;
    Try {
        n,
        took: asked.elapsed(),
        answered_at: Instant::now(),
        answer,
    }
}

async fn calls(world: &World, until: Instant) -> Vec<Told> {
    let mut told = Vec::new();
    while Instant::now() < until {
        let n = told.len() as u64;
        let how = if n == DEADLY_CALL { "exit" } else { "ok" };
        told.push(act(world, "actor", how, n).await);
        tokio::time::sleep(CALL_EVERY).await;
    }
    told
}

/// All are answered as if nothing was, and so are those after a worker died.
fn tell_calls(it: &mut Experiment, calls: &[Told]) {
    let mut times: Vec<Duration> = calls.iter().map(|told| told.took).collect();
    it.check(calls.len() as u64 > DEADLY_CALL, || {
        format!("only {} calls came to an end", calls.len())
    });
    for (n, told) in (0..).zip(calls) {
        let right = match n {
            DEADLY_CALL => told.reason() == "worker_lost",
            n => told.is(n),
        };
        it.check(right, || format!("without a store, call {n}: {told:?}"));
    }
    it.counted("calls_meanwhile", calls.len());
    let p50 = percentile(&mut times, 0.5).as_millis() as u64;
    it.measured("call_p50_ms", p50);
}

/// What could not be kept was refused in words, in time; answers how many there were that may have been kept all the same.
fn tell_tries(it: &mut Experiment, tries: &[Try], back_at: Instant) -> usize {
    let mut refused: Vec<Duration> = Vec::new();
    for Try {
        n,
        took,
        answered_at,
        answer,
    } in tries
    {
        match answer {
            Some((200..=202, made)) => it.check(*answered_at >= back_at, || {
                format!("{n} was acknowledged without a store: {made}")
            }),
            Some((503, problem)) => {
                refused.push(*took);
                it.check(is_in_words(problem), || problem.to_string());
            }
            other => it.check(false, || format!("submission {n} got {other:?}")),
        }
    }
    it.check(!refused.is_empty(), || "nothing was refused".to_owned());
    it.counted("refused", refused.len());
    let p50 = percentile(&mut refused, 0.5);
    match is_full() {
        true => it.ms_at_most("refused_p50", p50, REFUSED_P50_MS_MAX),
        false => it.measured("refused_p50_ms", p50.as_millis() as u64),
    }
    it.ms_at_most("refused_max", percentile(&mut refused, 1.0), REFUSED_MS_MAX);
    tries.len()
}

/// Says that it is the store, and that it may be tried again.
fn is_in_words(problem: &Value) -> bool {
    let detail = problem["detail"].as_str().unwrap_or_default();
    detail.to_lowercase().contains("store")
        && problem["retryable"] == true
        && problem["code"] == "unavailable"
}
