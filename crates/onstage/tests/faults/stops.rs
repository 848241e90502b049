//! The front is told to stop: streams end at once, what runs finishes, jobs go on, and a second signal waits for nothing.

use crate::{
    actor::{self, call},
    experiment::{Experiment, is_full},
    sockets::{connect, get, head, post, read_to_end},
    world::{self, PATIENCE, World, signal},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

const JOB: &str = r#"
import time
import onstage as on

@on.predict(background=True)
def job(name: str, seconds: float = 1.0, *, ctx: on.Ctx) -> int:
    runs = ctx.state.add("runs/" + name, 1)
    time.sleep(seconds)
    return int(runs)
"#;

/// Nothing is left to wait for at the end of a test.
const JOB_TOML: &str = "[model]\nname = \"job\"\n[jobs]\nlinger = \"200ms\"\n";

const TOGETHER: &str = r#"
import os, time
import onstage as on

@on.predict
def f(n: int) -> list:
    time.sleep(2)
    return [n, os.getpid()]

@f.many(max=50, wait_ms=200)
def _(rows):
    time.sleep(2)
    return [[n, os.getpid()] for n in rows.column("n")]
"#;

/// SIGTERM, and how long the server took to end with which code.
async fn stopped(world: &mut World) -> (Option<i32>, Duration) {
    let began = Instant::now();
    signal(world.server_pid(), "TERM");
    ended(world, began).await
}

async fn ended(world: &mut World, began: Instant) -> (Option<i32>, Duration) {
    let mut server = world.server.take().unwrap();
    let code = tokio::task::spawn_blocking(move || world::wait(&mut server, PATIENCE)).await;
    (code.unwrap(), began.elapsed())
}

/// The first number of an answer's output. Whoever waited for 5 s after the signal was told where it will be found.
async fn output_of(world: &World, text: &str) -> Value {
    let place = text.split("location: ").nth(1);
    let body = match place.and_then(|rest| rest.split("\r\n").next()) {
        Some(place) if text.starts_with("HTTP/1.1 202") => world.get(place).await.1,
        _ => serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap_or_default())
            .unwrap_or_default(),
    };
    body["output"][0].clone()
}

async fn begin_jobs(world: &World, count: usize) -> Vec<String> {
    let mut paths = Vec::new();
    for n in 0..count {
        let (status, made) = world.predict("job", json!({"name": n.to_string()})).await;
        assert_eq!(status, 202, "{made:#}");
        paths.push(format!("/v1/predictions/{}", made["id"].as_str().unwrap()));
    }
    paths
}

#[tokio::test]
async fn f37_stopping_under_load() {
    let mut it = Experiment::new(
        "F37",
        "SIGTERM with streams, predictions and jobs",
        1_000,
        30,
    );
    let (calls, jobs) = if is_full() { (50, 20) } else { (8, 3) };
    let mut world = World::start().await;
    world.push("job", JOB, &[("onstage.toml", JOB_TOML)]).await;
    let toml = "[model]\nname = \"together\"\n[realtime]\nworkers = { min = 1, max = 1 }\n";
    world
        .push("together", TOGETHER, &[("onstage.toml", toml)])
        .await;
    let jobs = begin_jobs(&world, jobs).await;
    let last = format!("{}/events", jobs.last().unwrap());
    let mut streams = Vec::new();
    for _ in 0..it.rounds() {
        let mut stream = connect(&world).await;
        let request = get(&world, &last, "accept: text/event-stream\r\n");
        let head = head(&mut stream, &request).await;
        it.check(head.contains("text/event-stream"), || head.clone());
        streams.push((stream, head));
    }
    let mut callers = Vec::new();
    for n in 0..calls {
        let mut stream = connect(&world).await;
        let request = post(&world, "together", &json!({ "n": n }));
        stream.write_all(&request).await.unwrap();
        callers.push(stream);
    }
    // All are in the model by now.
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let began = Instant::now();
    signal(world.server_pid(), "TERM");
    let ends = streams.into_iter().map(|(mut stream, head)| async move {
        let (text, ended) = read_to_end(&mut stream, PATIENCE).await;
        (head + &text, ended, began.elapsed())
    });
    let ends = futures::future::join_all(ends).await;
    let slowest = ends.iter().map(|(_, _, took)| *took).max().unwrap();
    for (text, ended, _) in &ends {
        it.check(*ended && text.contains("retry:"), || text.clone());
    }
    it.ms_at_most("streams_closed_max", slowest, 1_000.0);
    let mut told = Vec::new();
    for mut stream in callers {
        told.push(read_to_end(&mut stream, PATIENCE).await.0);
    }
    let (code, took) = ended(&mut world, began).await;
    it.check(code == Some(0), || format!("it ended with {code:?}"));
    it.ms_at_most("exit_after", took, 30_000.0);
    world.serve().await;
    for (n, text) in told.iter().enumerate() {
        let output = output_of(&world, text).await;
        it.check(output == n, || format!("prediction {n}: {text}"));
    }
    for path in &jobs {
        let job = world.finished(path).await;
        it.check(job["output"] == 1, || format!("it ran again: {job}"));
    }
    world.close().await;
    it.end();
}

#[tokio::test]
async fn f37b_a_second_signal_waits_for_nothing() {
    let mut it = Experiment::new("F37b", "a second signal ends the front at once", 10, 1);
    let mut world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    for _ in 0..it.rounds() {
        let mut stream = connect(&world).await;
        let request = post(&world, "actor", &json!({"do": "nap", "n": 15_000}));
        stream.write_all(&request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let pid = world.server_pid();
        signal(pid, "TERM");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let first = world.server.as_mut().unwrap().try_wait().unwrap();
        it.check(first.is_none(), || {
            "the first signal did not wait for what runs".to_owned()
        });
        let began = Instant::now();
        signal(pid, "TERM");
        let (_, took) = ended(&mut world, began).await;
        it.ms_at_most("exit_after_second", took, 1_000.0);
        world.serve().await;
    }
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s05_the_drain_is_as_long_as_it_says() {
    let mut it = Experiment::new("S05", "a drain is not cut short (ray #41726)", 5, 1);
    let mut world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    let nap = if is_full() { 12_000 } else { 6_000 };
    for _ in 0..it.rounds() {
        let mut stream = connect(&world).await;
        let request = post(&world, "actor", &json!({"do": "nap", "n": nap}));
        stream.write_all(&request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (code, took) = stopped(&mut world).await;
        let (text, _) = read_to_end(&mut stream, PATIENCE).await;
        it.check(code == Some(0), || format!("it ended with {code:?}"));
        it.measured("drained_for_ms", took.as_millis() as u64);
        world.serve().await;
        let output = output_of(&world, &text).await;
        it.check(output == nap, || {
            format!("it was cut short: {output} {text}")
        });
    }
    world.close().await;
    it.end();
}

/// One more request over a connection that was open before; the head and body of its answer, if any.
async fn again(stream: &mut tokio::net::TcpStream, request: &[u8]) -> String {
    if stream.write_all(request).await.is_err() {
        return String::new();
    }
    read_to_end(stream, PATIENCE).await.0
}

#[tokio::test]
async fn s06_a_stopping_front_takes_no_new_work_over_old_connections() {
    let mut it = Experiment::new(
        "S06",
        "a drained front takes no work over keep-alive (ray #63995)",
        20,
        2,
    );
    let mut world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    for _ in 0..it.rounds() {
        let mut busy = connect(&world).await;
        let mut idle = connect(&world).await;
        let first = head(&mut idle, &get(&world, "/healthz", "")).await;
        it.check(first.starts_with("HTTP/1.1 200"), || first.clone());
        let nap = post(&world, "actor", &json!({"do": "nap", "n": 1_500}));
        busy.write_all(&nap).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        signal(world.server_pid(), "TERM");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let late = again(&mut idle, &post(&world, "actor", &json!({"n": 5}))).await;
        // Closed, or refused in words: never taken and lost.
        it.check(late.is_empty() || late.contains("HTTP/1.1 503"), || {
            format!("taken while it stops: {late}")
        });
        let (own, _) = read_to_end(&mut busy, PATIENCE).await;
        it.check(own.contains("\"output\":[1500,"), || own.clone());
        let (code, _) = ended(&mut world, Instant::now()).await;
        it.check(code == Some(0), || format!("it ended with {code:?}"));
        world.serve().await;
    }
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s13_open_streams_do_not_hold_up_the_shutdown() {
    let mut it = Experiment::new(
        "S13",
        "streams do not block the shutdown (axum #2673, hyper #2787)",
        20,
        1,
    );
    let mut world = World::start().await;
    world.push("job", JOB, &[("onstage.toml", JOB_TOML)]).await;
    for n in 0..it.rounds() {
        let input = json!({"name": format!("long-{n}"), "seconds": 4});
        let made = call(&world, "job", input).await.answer;
        let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
        let mut stream = connect(&world).await;
        let events = format!("{path}/events");
        let request = get(&world, &events, "accept: text/event-stream\r\n");
        let head = head(&mut stream, &request).await;
        it.check(head.contains("text/event-stream"), || head.clone());
        let (code, took) = stopped(&mut world).await;
        let (_, closed) = read_to_end(&mut stream, Duration::from_secs(5)).await;
        it.check(code == Some(0) && closed, || format!("{code:?}"));
        it.ms_at_most("exit_after", took, 5_000.0);
        // A stream that blocks would do so until the drain of 20 s is over, and be cut with this line.
        it.check(!world.printed().contains("still open"), || world.printed());
        world.serve().await;
        let job = world.finished(&path).await;
        it.check(job["output"] == 1, || format!("it ran again: {job}"));
    }
    let told = world.get("/v1/models").await.0;
    it.check(told == 200, || told.to_string());
    world.close().await;
    it.end();
}
