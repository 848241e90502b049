//! Callers that go away: in every phase of a request, and in the middle of a filling microbatch. No place is leaked.

use crate::{
    actor::{self, act, echoes},
    experiment::{Experiment, is_full},
    gauges::settled,
    sockets::{connect, post},
    world::World,
};
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Callers that come and go at the same time.
const AT_ONCE: usize = 20;

/// Sends a part of a request, waits a moment and goes away.
async fn aborts(world: &World, model: &str, phase: usize, cut: usize, pause: Duration) {
    let whole = post(world, model, &json!({"do": "nap", "n": 5}));
    let head = whole.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let part = match phase {
        0 => &whole[..0],
        1 => &whole[..1 + cut % (head - 1)],
        2 => &whole[..head + cut % (whole.len() - head)],
        _ => &whole[..],
    };
    let mut stream = connect(world).await;
    // The server may have gone away first; that is not what is looked at.
    let _ = stream.write_all(part).await;
    tokio::time::sleep(pause).await;
}

#[tokio::test]
async fn f20_callers_that_abort_at_every_phase() {
    let mut it = Experiment::new("F20", "callers that abort at every phase", 10_000, 300);
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 2 }").await;
    for _ in 0..it.rounds() / AT_ONCE {
        let mut calls = Vec::new();
        for _ in 0..AT_ONCE {
            let (phase, cut) = (it.random(4), it.random(1 << 20));
            let pause = Duration::from_micros(it.random(12_000));
            calls.push(aborts(&world, "actor", phase as usize, cut as usize, pause));
        }
        futures::future::join_all(calls).await;
    }
    let left = settled(&world).await;
    it.check(left == 0.0, || format!("{left} are still in flight"));
    let normal = if is_full() { 1_000 } else { 50 };
    echoes(&world, &mut it, "actor", normal).await;
    world.close().await;
    it.end();
}

const WINDOW: &str = r#"
import os
import onstage as on

@on.predict
def f(do: str = "ok", n: int = 0) -> list:
    return [n, os.getpid()]

@f.many(max=8, wait_ms=30)
def _(rows):
    return [[n, os.getpid()] for n in rows.column("n")]
"#;

#[tokio::test]
async fn s01_callers_that_leave_a_filling_microbatch_wedge_nothing() {
    let mut it = Experiment::new(
        "S01",
        "a cancel wedges no batcher, leaks no place (ray #50046)",
        500,
        12,
    );
    let world = World::start().await;
    let toml =
        "[model]\nname = \"window\"\n[realtime]\nqueue = 16\nworkers = { min = 1, max = 1 }\n";
    world
        .push("window", WINDOW, &[("onstage.toml", toml)])
        .await;
    for round in 0..it.rounds() as u64 {
        let mut leavers = Vec::new();
        for _ in 0..7 {
            let pause = Duration::from_micros(it.random(40_000));
            leavers.push(aborts(&world, "window", 3, 0, pause));
        }
        let stays = act(&world, "window", "ok", round);
        let (told, _) = tokio::join!(stays, futures::future::join_all(leavers));
        // A place that leaked would fill the queue of 16 within three rounds: 429.
        it.check(told.is(round), || format!("{told:?}"));
    }
    let left = settled(&world).await;
    it.check(left == 0.0, || format!("{left} are still in flight"));
    echoes(&world, &mut it, "window", 20).await;
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s01b_cancels_over_the_api_leave_the_worker_to_the_next() {
    let mut it = Experiment::new(
        "S01b",
        "cancels over the API leave the worker to the next caller",
        100,
        3,
    );
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    for n in 0..it.rounds() as u64 {
        let request = world
            .request(reqwest::Method::POST, "/v1/models/lab/actor/predictions")
            .header("prefer", "respond-async")
            .json(&json!({"input": {"do": "sleep"}}));
        let (status, made) = crate::world::answer(request).await;
        it.check(status == 202, || format!("{status} {made}"));
        let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
        let waits = act(&world, "actor", "ok", n);
        let cancels = async {
            world.post(&format!("{path}/cancel"), &json!({})).await;
            world.finished(&path).await
        };
        let (told, ended) = tokio::join!(waits, cancels);
        it.check(told.is(n), || format!("{told:?}"));
        it.check(ended["status"] == "canceled", || ended.to_string());
    }
    let left = settled(&world).await;
    it.check(left == 0.0, || format!("{left} are still in flight"));
    world.close().await;
    it.end();
}
