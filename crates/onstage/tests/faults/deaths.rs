//! Workers that are killed: in the middle of microbatches, over and over, while idle. Nobody hangs, nobody counts the dead.

use crate::{
    actor::{self, act},
    experiment::Experiment,
    gauges::{metric, percentile, ready_workers, settled, zombies_of},
    world::{World, signal},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const EIGHT: &str = r#"
import os, time
import onstage as on

@on.predict
def f(n: int) -> list:
    time.sleep(0.03)
    return [n, os.getpid()]

@f.many(max=8)
def _(rows):
    time.sleep(0.03)
    return [[n, os.getpid()] for n in rows.column("n")]
"#;

const ONE_WORKER: &str = "[model]\nname = \"eight\"\n[realtime]\nworkers = { min = 1, max = 1 }\n";

/// Eight calls at once; answers each with its own number.
async fn eight(world: &World, from: u64) -> Vec<(u64, u16, Value)> {
    let calls = (from..from + 8).map(|n| async move {
        let (status, answer) = world.predict("eight", json!({ "n": n })).await;
        (n, status, answer)
    });
    futures::future::join_all(calls).await
}

#[tokio::test]
async fn f03_a_worker_killed_in_a_microbatch_of_eight() {
    let mut it = Experiment::new("F03", "kill the worker in a microbatch of 8", 500, 10);
    let world = World::start().await;
    world
        .push("eight", EIGHT, &[("onstage.toml", ONE_WORKER)])
        .await;
    let (mut lost, mut healed) = (0_u64, Vec::new());
    let mut pid = eight(&world, 0).await[0].2["output"][1].as_u64().unwrap();
    let began = Instant::now();
    signal(pid as u32, "KILL");
    eight(&world, 0).await;
    let cold = began.elapsed();
    for round in 0..it.rounds() as u64 {
        let first = eight(&world, 0).await;
        pid = first[0].2["output"][1].as_u64().unwrap_or(pid);
        let delay = Duration::from_micros(it.random(45_000));
        let killed = async {
            tokio::time::sleep(delay).await;
            signal(pid as u32, "KILL");
            Instant::now()
        };
        let (answers, killed) = tokio::join!(eight(&world, round * 8), killed);
        healed.push(killed.elapsed());
        for (n, status, answer) in answers {
            let guilty = answer["reason"] == "worker_lost";
            lost += u64::from(guilty);
            it.check(
                status == 201 && (guilty || answer["output"][0] == n),
                || format!("{n} got {status} {answer}"),
            );
        }
    }
    it.measured("callers_told_worker_lost", lost);
    it.measured("cold_start_ms", cold.as_millis() as u64);
    let worst = percentile(&mut healed, 1.0);
    it.ms_at_most(
        "answered_after_kill_max",
        worst,
        cold.as_secs_f64() * 1000.0 + 1000.0,
    );
    let left = settled(&world).await;
    it.check(left == 0.0, || format!("{left} are still in flight"));
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s03_calls_go_on_after_many_deaths_in_a_row() {
    let mut it = Experiment::new("S03", "repeated deaths stall no calls (ray #24419)", 100, 6);
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 0, max = 2 }").await;
    for n in 0..it.rounds() as u64 {
        let (dead, good) = tokio::join!(
            act(&world, "actor", "exit", n),
            act(&world, "actor", "ok", n)
        );
        it.check(dead.reason() == "worker_lost", || format!("{dead:?}"));
        it.check(good.is(n), || format!("beside a death: {good:?}"));
    }
    let after = act(&world, "actor", "ok", 7).await;
    it.check(after.is(7), || format!("{after:?}"));
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s08_a_dead_worker_is_not_counted_and_is_replaced() {
    let mut it = Experiment::new(
        "S08",
        "a dead worker is not counted healthy (TorchServe #1815)",
        50,
        3,
    );
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    for n in 0..it.rounds() as u64 {
        let before = act(&world, "actor", "ok", n).await;
        let dead = before.pid().unwrap();
        signal(dead, "KILL");
        let next = world
            .until("/v1/models/lab/actor", |model| {
                model["readiness"]["workers"] == 1 && !alive(dead)
            })
            .await;
        it.check(next["readiness"]["state"] == "ready", || next.to_string());
        // Nobody asked: `min` brought it back.
        let after = act(&world, "actor", "ok", n).await;
        it.check(after.is(n) && after.pid() != Some(dead), || {
            format!("{after:?}")
        });
    }
    let deaths = metric(&world, "onstage_worker_deaths_total", &[]).await;
    it.check(deaths == it.rounds() as f64, || {
        format!("{deaths} deaths were counted")
    });
    world.close().await;
    it.end();
}

fn alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn s09_one_failed_call_spoils_nothing_after_it() {
    let mut it = Experiment::new(
        "S09",
        "recovery after one failed call (TorchServe #2357, #2423)",
        500,
        20,
    );
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    for n in 0..it.rounds() as u64 {
        let failed = act(&world, "actor", "raise", n).await;
        it.check(failed.reason() == "exception", || format!("{failed:?}"));
        let after = act(&world, "actor", "ok", n).await;
        it.check(after.is(n), || format!("{after:?}"));
    }
    let deaths = metric(&world, "onstage_worker_deaths_total", &[]).await;
    it.check(deaths == 0.0, || {
        format!("{deaths} workers died of an exception")
    });
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s12_no_zombie_is_left_or_counted_as_running() {
    let mut it = Experiment::new(
        "S12",
        "no zombie counts as running (sagemaker-pytorch #166)",
        50,
        4,
    );
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 0, max = 1 }").await;
    for n in 0..it.rounds() as u64 {
        let pid = act(&world, "actor", "ok", n).await.pid().unwrap();
        signal(pid, "KILL");
        world
            .until("/v1/models/lab/actor", |model| {
                model["readiness"]["workers"] == 0
            })
            .await;
        let ready = ready_workers(&world, "").await;
        it.check(ready == 0.0, || {
            format!("{ready} workers are counted as ready")
        });
    }
    // Waiting for a child and counting it out are two steps.
    let pid = world.server_pid();
    let gone = tokio::time::timeout(Duration::from_secs(20), async {
        while zombies_of(pid) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    });
    let gone = gone.await.is_ok();
    it.check(gone, || "zombies are left".to_owned());
    world.close().await;
    it.end();
}
