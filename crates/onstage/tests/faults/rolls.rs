//! New versions under load: good ones cost no request, those that do not load or turn sick are withdrawn by themselves.

use crate::{
    actor::call,
    experiment::{Experiment, is_full},
    gauges::{percentile, ready_workers},
    load::steady,
    world::{World, text},
};
use serde_json::json;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// A version that is not held goes to sleep after a second.
const TOML: &str =
    "[model]\nname = \"roll\"\n[realtime]\nworkers = { min = 1, max = 2 }\nidle = \"1s\"\n";

fn version(n: u32) -> String {
    format!("import onstage as on\n\n@on.predict\ndef f(x: int) -> list:\n    return [{n}]\n")
}

async fn push(world: &World, code: &str) {
    world.push("roll", code, &[("onstage.toml", TOML)]).await;
}

async fn live(world: &World, n: u32) {
    world
        .until("/v1/models/lab/roll", |model| {
            model["live_version_number"] == n
        })
        .await;
}

fn per_s() -> f64 {
    if is_full() { 200.0 } else { 40.0 }
}

/// Looks until `over` how many workers of a version were ready at least.
async fn least_ready(world: &World, version: &str, over: &Cell<bool>) -> f64 {
    let mut least = f64::MAX;
    while !over.get() {
        least = least.min(ready_workers(world, version).await);
        tokio::time::sleep(Duration::from_millis(100)).await; // sample
    }
    least
}

#[tokio::test]
async fn f38_good_versions_roll_under_load() {
    let mut it = Experiment::new("F38", "good versions roll under load", 100_000, 240);
    let world = World::with(&[("ONSTAGE_PROBATION", "10s")]).await;
    push(&world, &version(1)).await;
    live(&world, 1).await;
    let (over, rolled) = (Cell::new(false), Cell::new(1));
    let count = it.rounds();
    let load = async {
        let all = steady(&world, "roll", per_s(), |asked| {
            asked >= count && rolled.get() >= 3
        })
        .await;
        over.set(true);
        all
    };
    let rolls = async {
        while !over.get() {
            let next = rolled.get() + 1;
            push(&world, &version(next)).await;
            live(&world, next).await;
            rolled.set(next);
            // Some come while the one before is still on probation.
            let pause = if is_full() {
                3 + u64::from(next % 4) * 6
            } else {
                1
            };
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    };
    let (all, (), least) = tokio::join!(load, rolls, least_ready(&world, "v", &over));
    let mut times = Vec::with_capacity(all.len());
    for asked in &all {
        let told = &asked.told;
        let fine = told.status == 201 && told.answer["status"] == "succeeded";
        it.check(fine, || format!("{told:?}"));
        times.push(told.took);
    }
    it.check(least >= 1.0, || format!("{least} workers were ready"));
    it.measured("requests", all.len());
    it.measured("rolls", rolled.get() - 1);
    let p99 = percentile(&mut times, 0.99).as_secs_f64();
    it.measured("p99_ms", (p99 * 1e5).round() / 100.0);
    world.close().await;
    it.end();
}

/// The second version, which loads once and then never again, is live and out of use.
async fn loads_only_once(world: &World) {
    push(world, &version(1)).await;
    live(world, 1).await;
    let once = "import pathlib\nimport onstage as on\n\nif pathlib.Path('ONCE').exists():\n    raise RuntimeError('the weights are gone')\n\n@on.predict\ndef f(x: int) -> list:\n    pathlib.Path('ONCE').touch()\n    return [2]\n";
    push(world, once).await;
    live(world, 2).await;
    call(world, "roll", json!({"x": 1})).await;
    world.ok(&["rollback", "roll"]).await;
    live(world, 1).await;
    let deadline = Instant::now() + crate::world::PATIENCE;
    while ready_workers(world, "v2\"").await > 0.0 {
        assert!(Instant::now() < deadline, "v2 does not go");
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
}

#[tokio::test]
async fn f38b_a_version_that_dies_at_load_is_withdrawn_and_costs_nothing() {
    let mut it = Experiment::new("F38b", "a version that dies at load", 10, 1);
    for _ in 0..it.rounds() {
        let world = World::start().await;
        loads_only_once(&world).await;
        let over = Cell::new(false);
        let load = steady(&world, "roll", per_s(), |_| over.get());
        let roll = async {
            let began = Instant::now();
            let second = version_id(&world, 2).await;
            let path = format!("/v1/models/lab/roll/versions/{second}");
            let (status, told) = world.post(&format!("{path}/promote"), &json!({})).await;
            assert_eq!(status, 200, "{told}");
            let version = world.until(&path, |version| version["withdrawn"].is_object());
            let version = version.await;
            let took = began.elapsed();
            live(&world, 1).await;
            over.set(true);
            (version, took)
        };
        let least = least_ready(&world, "v1\"", &over);
        let (all, (second, took), least) = tokio::join!(load, roll, least);
        for asked in &all {
            let told = &asked.told;
            it.check(told.is(1), || format!("{told:?}"));
        }
        let why = second["withdrawn"]["why"].to_string();
        it.check(why.contains("the weights are gone"), || why.clone());
        it.check(least >= 1.0, || format!("{least} workers were ready"));
        it.ms_at_most("withdrawn_after", took, 30_000.0);
        told_everywhere(&world, &mut it).await;
        world.close().await;
    }
    it.end();
}

async fn version_id(world: &World, n: u32) -> String {
    let (_, list) = world.get("/v1/models/lab/roll/versions").await;
    let versions = list["results"].as_array().unwrap();
    let found = versions.iter().find(|version| version["number"] == n);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

/// The command line and the server's log say what happened.
async fn told_everywhere(world: &World, it: &mut Experiment) {
    let listed = world.ok(&["versions", "roll"]).await;
    it.check(listed.contains("withdrawn"), || listed.clone());
    let log = world.printed();
    it.check(log.contains("v2 was withdrawn, v1 answers again"), || {
        log.clone()
    });
}

#[tokio::test]
async fn f38c_a_version_that_turns_sick_is_withdrawn_within_seconds() {
    let mut it = Experiment::new("F38c", "a version that turns sick after 10 s", 5, 1);
    let healthy_s = if is_full() { 10 } else { 2 };
    for round in 0..it.rounds() {
        let world = World::start().await;
        push(&world, &version(1)).await;
        live(&world, 1).await;
        let how = ["raise RuntimeError('the net is torn')", "os._exit(9)"][round % 2];
        let sick = format!(
            "import os, time\nimport onstage as on\n\nBORN = time.monotonic()\n\n@on.predict\ndef f(x: int) -> list:\n    if time.monotonic() - BORN > {healthy_s}:\n        {how}\n    return [2]\n"
        );
        let over = Cell::new(false);
        let load = steady(&world, "roll", per_s(), |_| over.get());
        let roll = async {
            push(&world, &sick).await;
            let second = version_id(&world, 2).await;
            let path = format!("/v1/models/lab/roll/versions/{second}");
            world
                .until(&path, |version| version["withdrawn"].is_object())
                .await;
            live(&world, 1).await;
            let back = Instant::now();
            tokio::time::sleep(Duration::from_secs(1)).await;
            over.set(true);
            back
        };
        let least = least_ready(&world, "v1\"", &over);
        let (all, back, least) = tokio::join!(load, roll, least);
        let failed: Vec<Instant> = all
            .iter()
            .filter(|asked| !asked.told.is(1) && !asked.told.is(2))
            .map(|asked| asked.at)
            .collect();
        it.check(!failed.is_empty(), || "it was never sick".to_owned());
        // Whoever asked just before may have been given to the sick one.
        let late = failed.iter().filter(|at| **at > back).count();
        it.check(late == 0, || format!("{late} failed after the going back"));
        it.check(all.iter().all(|asked| asked.told.status == 201), || {
            "an answer was no prediction".to_owned()
        });
        it.check(least >= 1.0, || format!("{least} workers of v1 were ready"));
        let sick_for = failed
            .first()
            .map(|first| back.saturating_duration_since(*first));
        it.ms_at_most(
            "back_after_first_failure",
            sick_for.unwrap_or_default(),
            30_000.0,
        );
        it.measured("failed_meanwhile", failed.len());
        told_everywhere(&world, &mut it).await;
        world.close().await;
    }
    it.end();
}

#[tokio::test]
async fn s07_a_failed_roll_takes_nothing_from_the_version_that_answers() {
    let mut it = Experiment::new(
        "S07",
        "a failed roll takes no healthy worker out (ray #66252)",
        10,
        1,
    );
    let world = World::start().await;
    push(&world, &version(1)).await;
    live(&world, 1).await;
    for n in 0..it.rounds() {
        let over = Cell::new(false);
        let load = steady(&world, "roll", per_s(), |_| over.get());
        let roll = async {
            let broken = format!("import onstage as on\nimport no_such_module_{n}\n");
            let folder = world.model("roll", &broken, &[("onstage.toml", TOML)]);
            let output = world.run(&["push", folder.to_str().unwrap()]).await;
            over.set(true);
            output
        };
        let least = least_ready(&world, "v1\"", &over);
        let (all, output, least) = tokio::join!(load, roll, least);
        it.check(output.status.code() == Some(1), || text(&output.stderr));
        for asked in &all {
            it.check(asked.told.is(1), || format!("{:?}", asked.told));
        }
        it.check(least >= 1.0, || format!("{least} workers were ready"));
    }
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s11_readiness_is_proven_with_the_models_own_examples() {
    let mut it = Experiment::new(
        "S11",
        "ready means that an example was answered (Triton #8518)",
        10,
        1,
    );
    let world = World::start().await;
    push(&world, &version(1)).await;
    live(&world, 1).await;
    let example = r#"{"input": {"x": 2}}"#;
    for n in 0..it.rounds() {
        // It loads, is ready, and fails every prediction.
        let fails = format!(
            "import onstage as on\n\n@on.predict\ndef f(x: int) -> list:\n    raise RuntimeError('never works {n}')\n"
        );
        let more = [("onstage.toml", TOML), ("examples/two.json", example)];
        let folder = world.model("roll", &fails, &more);
        let output = world.run(&["push", folder.to_str().unwrap()]).await;
        it.check(output.status.code() == Some(1), || text(&output.stderr));
        it.check(text(&output.stderr).contains("never works"), || {
            text(&output.stderr)
        });
        let told = call(&world, "roll", json!({"x": 1})).await;
        it.check(told.is(1), || format!("{told:?}"));
    }
    world.close().await;
    it.end();
}
