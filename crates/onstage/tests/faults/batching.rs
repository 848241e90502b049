//! Microbatches with a bad input, and vectorised functions that fail: only the guilty are told so, and the queue goes on.

use crate::{
    actor::Told,
    actor::call,
    experiment::{Experiment, is_full},
    world::World,
};
use serde_json::json;

/// 13 is answered with an error of its own; 14 makes the whole call raise; 15 makes it answer too few.
const MANY: &str = r#"
import os, time
import onstage as on

@on.predict
def f(n: int) -> list:
    if n in (13, 14):
        raise ValueError("a bad number")
    return [n, os.getpid()]

@f.many(max=8, wait_ms=50)
def _(rows):
    numbers = list(rows.column("n"))
    if 14 in numbers:
        raise ValueError("a bad number")
    answers = [ValueError("a bad number") if n == 13 else [n, os.getpid()] for n in numbers]
    return answers[:-1] if 15 in numbers else answers
"#;

async fn pushed() -> World {
    let world = World::start().await;
    let toml = "[model]\nname = \"many\"\n[realtime]\nworkers = { min = 1, max = 1 }\n";
    world.push("many", MANY, &[("onstage.toml", toml)]).await;
    world
}

async fn ask(world: &World, numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, Told)> {
    let calls = numbers
        .into_iter()
        .map(|n| async move { (n, call(world, "many", json!({ "n": n })).await) });
    futures::future::join_all(calls).await
}

async fn goes_on(world: &World, it: &mut Experiment) {
    let rounds = if is_full() { 125 } else { 8 };
    for round in 0..rounds {
        for (n, told) in ask(world, (0..8).map(|n| 100 + round * 8 + n)).await {
            it.check(told.is(n), || format!("afterwards {n}: {told:?}"));
        }
    }
}

#[tokio::test]
async fn f19_one_bad_input_in_a_microbatch_of_eight() {
    let mut it = Experiment::new("F19", "one bad input in a microbatch of 8", 500, 12);
    let world = pushed().await;
    for round in 0..it.rounds() {
        let place = it.random(8);
        let numbers = (0..8).map(|n| if n == place { 13 } else { 20 + n });
        for (n, told) in ask(&world, numbers).await {
            let fine = match n {
                13 => told.reason() == "exception",
                n => told.is(n),
            };
            it.check(fine, || format!("round {round}, {n}: {told:?}"));
        }
    }
    goes_on(&world, &mut it).await;
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s02_a_vectorised_function_that_fails_stops_no_queue() {
    let mut it = Experiment::new(
        "S02",
        "an error of the batch function stops no queue (ray #66140)",
        200,
        4,
    );
    let world = pushed().await;
    let mut told_all = 0_u64;
    for round in 0..it.rounds() {
        let bad = [14, 15][round % 2];
        for (n, told) in ask(&world, [bad, 20, 21, 22, 23, 24, 25, 26]).await {
            // Who was in the same call may be told the same; nobody may be told another's answer or nothing.
            let shared = matches!(told.reason(), "exception" | "bad_output");
            told_all += u64::from(shared && n != bad);
            it.check(told.is(n) || shared, || format!("{n}: {told:?}"));
        }
    }
    it.measured("innocents_told_of_it", told_all);
    goes_on(&world, &mut it).await;
    world.close().await;
    it.end();
}
