//! The front is replaced under load: with a socket that outlives it, who calls meanwhile waits and is answered.

use crate::{
    actor::{self, Told},
    experiment::{Experiment, is_full},
    gauges::percentile,
    world::{self, PATIENCE, World, answer, signal},
};
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

/// One caller, a connection a request, until it is told to stop.
async fn calls(url: &str, token: &str, over: &AtomicBool, answered: &AtomicUsize) -> Vec<Told> {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let mut all = Vec::new();
    while !over.load(SeqCst) {
        let request = client
            .post(format!("{url}/v1/models/lab/actor/predictions"))
            .bearer_auth(token)
            .json(&json!({"input": {"do": "nap", "n": 20}}));
        let began = Instant::now();
        let (status, answer) = answer(request).await;
        all.push(Told {
            status,
            answer,
            took: began.elapsed(),
        });
        answered.fetch_add(1, SeqCst);
    }
    all
}

#[tokio::test]
async fn f38d_the_front_is_replaced_under_load() {
    let mut it = Experiment::new(
        "F38d",
        "the front is replaced under load, its socket stays",
        40,
        2,
    );
    let mut world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 2 }").await;
    world.kill_server();
    world.socket = Some(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    world.serve().await;
    // The one of this machine's user is another after every start.
    let made = world.ok_json(&["token", "create", "--name", "load"]).await;
    let token = made["token"].as_str().unwrap().to_owned();
    let url = world.url.clone();
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let rounds = it.rounds();
    let replaced = async {
        for _ in 0..rounds {
            let before = answered.load(SeqCst);
            let deadline = Instant::now() + PATIENCE;
            while answered.load(SeqCst) < before + 40 {
                assert!(Instant::now() < deadline, "nobody is answered");
                tokio::time::sleep(Duration::from_millis(20)).await; // poll
            }
            signal(world.server_pid(), "TERM");
            let mut server = world.server.take().unwrap();
            let ended = tokio::task::spawn_blocking(move || world::wait(&mut server, PATIENCE));
            assert_eq!(ended.await.unwrap(), Some(0));
            world.serve().await;
            assert_eq!(world.url, url, "it has another socket");
        }
        over.store(true, SeqCst);
    };
    let callers = (0..8).map(|_| calls(&url, &token, &over, &answered));
    let (told, ()) = tokio::join!(futures::future::join_all(callers), replaced);
    let all: Vec<Told> = told.into_iter().flatten().collect();
    let mut times: Vec<Duration> = all.iter().map(|told| told.took).collect();
    for told in &all {
        it.check(told.status == 201, || format!("{told:?}"));
    }
    it.measured("requests", all.len());
    it.measured("replaced", rounds);
    let slowest = times.iter().max().copied().unwrap();
    it.measured("p50_ms", percentile(&mut times, 0.5).as_millis() as u64);
    it.measured("slowest_ms", slowest.as_millis() as u64);
    assert!(!is_full() || all.len() > 1_000);
    world.close().await;
    it.end();
}
