//! F10: the wall clock of the whole server jumps, under `libfaketime`. No run is taken for dead, none runs twice, no tick comes twice.

use crate::{
    experiment::{Experiment, is_full},
    kills::models,
    world::{PATIENCE, World, answer},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Seconds from the real time, one after the other: an hour ahead, ten minutes behind, a day ahead, back, an hour and a day behind.
const OFFSETS: [i64; 6] = [3_600, -600, 86_400, 0, -3_600, -86_400];
/// So long after a change every process has seen it: the library reads the file once in a whole second.
const SEEN_AFTER: Duration = Duration::from_millis(1_200);
const JOB_MS: u64 = 2_500;
/// A key is remembered for a day by the clock, so only shorter jumps must leave it alone.
const KEYS_OUTLIVE_S: i64 = 4_000;
const LIBRARY: &str = "libfaketimeMT.so.1";

/// Where Debian has the library: in a folder by machine.
fn library() -> PathBuf {
    let machines = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut places = machines.map(|machine| machine.path().join("faketime").join(LIBRARY));
    let found = places.find(|place| place.exists());
    found.expect("`faketime` is missing; `scripts/setup.sh test` installs it")
}

fn set(file: &Path, offset: i64) {
    let draft = file.with_extension("draft");
    fs::write(&draft, format!("{offset:+}\n")).unwrap();
    fs::rename(&draft, file).unwrap();
}

async fn submit(world: &World, n: u64, ms: u64) -> (u16, Value) {
    let request = world.request(Method::POST, "/v1/models/lab/kept/predictions");
    let request = request.header("idempotency-key", format!("clock {n}"));
    answer(request.json(&json!({"input": {"n": n, "ms": ms}}))).await
}

/// The jobs that were made for each tick, by what the server has logged.
fn ticks(world: &World) -> BTreeMap<i64, BTreeSet<String>> {
    let mut ticks: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for line in world.printed().lines() {
        let said: Value = serde_json::from_str(line).unwrap_or_default();
        if said["message"] == "the job of a tick is made" {
            let job = said["job"].as_str().unwrap().to_owned();
            ticks
                .entry(said["tick"].as_i64().unwrap())
                .or_default()
                .insert(job);
        }
    }
    ticks
}

/// A server whose wall clock is as far off as the file says.
async fn start(ledger: &Path, offset: &Path) -> World {
    set(offset, 0);
    let library = library();
    let world = World::with(&[
        ("LEDGER", ledger.to_str().unwrap()),
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_CACHE_DURATION", "0"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ])
    .await;
    for (name, code, toml) in models::all("2s") {
        if matches!(name, "kept" | "quick") {
            world.push(name, &code, &[("onstage.toml", &toml)]).await;
        }
    }
    world
}

#[tokio::test]
async fn f10_a_clock_that_jumps_ends_no_run_and_fires_no_tick_twice() {
    let title = "the clock jumps by 10 minutes, an hour and a day, either way";
    let mut it = Experiment::new("F10", title, 60, 6);
    let folder = tempfile::tempdir().unwrap();
    let (ledger, offset) = (folder.path().join("ledger"), folder.path().join("offset"));
    let world = start(&ledger, &offset).await;
    let schedule = json!({"model": "lab/quick", "kind": "prediction", "request": {"input": {"x": 1}}, "every": "1s", "overlap": "queue"});
    let (status, made) = world.post("/v1/schedules", &schedule).await;
    assert_eq!(status, 201, "{made}");
    first_tick(&world).await;
    let (mut jobs, mut from) = (Vec::new(), 0);
    let whole_ms = it.rounds() as u64 * SEEN_AFTER.as_millis() as u64;
    jobs.push((0, submit(&world, 0, whole_ms).await.1));
    for round in 1..=it.rounds() as u64 {
        let (status, made) = submit(&world, round, JOB_MS).await;
        it.check(status == 202, || made.to_string());
        begun(&ledger, round).await;
        let to = OFFSETS[(round as usize - 1) % OFFSETS.len()];
        set(&offset, to);
        tokio::time::sleep(SEEN_AFTER).await;
        let (status, called) = world.predict("quick", json!({"x": round})).await;
        it.check(status == 201 && called["output"] == round, || {
            called.to_string()
        });
        // From a day behind, an hour ahead is more than a day.
        if to - from < KEYS_OUTLIVE_S {
            let (_, again) = submit(&world, round, JOB_MS).await;
            it.check(again["id"] == made["id"], || format!("{made} and {again}"));
        }
        jobs.push((round, made));
        from = to;
    }
    set(&offset, 0);
    for (n, made) in &jobs {
        let id = made["id"].as_str().unwrap();
        world.finished(&format!("/v1/predictions/{id}")).await;
        let (_, job) = world.get(&format!("/v1/jobs/{id}")).await;
        let right = (&job["run"], &job["status"]) == (&json!(1), &json!("succeeded"));
        it.check(right, || {
            format!("{n} did not go through in one run: {job}")
        });
    }
    let mut runs = models::ledger(&ledger);
    runs.retain(|note| note.begins && note.model == "kept");
    it.check(runs.len() == jobs.len(), || {
        format!("{} runs of {} jobs", runs.len(), jobs.len())
    });
    let ticks = ticks(&world);
    let twice: Vec<_> = ticks.iter().filter(|(_, jobs)| jobs.len() > 1).collect();
    it.check(twice.is_empty(), || format!("{twice:?}"));
    // The first jump is an hour ahead of the first tick, and there the next one is looked for at once.
    let between = ticks.keys().last().unwrap() - ticks.keys().next().unwrap();
    it.check(between > 3_000_000, || {
        format!("the server's clock did not jump: {ticks:?}")
    });
    it.measured("jobs", jobs.len());
    it.measured("ticks", ticks.len());
    // A server alone looks every 30 s at what only a clock that was set makes due: it sees some of the jumps.
    it.check(!is_full() || ticks.len() > 1, || {
        format!("{} ticks", ticks.len())
    });
    world.close().await;
    it.end();
}

async fn first_tick(world: &World) {
    let deadline = Instant::now() + PATIENCE;
    while ticks(world).is_empty() {
        assert!(Instant::now() < deadline, "the schedule makes nothing");
        tokio::time::sleep(Duration::from_millis(10)).await; // poll
    }
}

async fn begun(ledger: &Path, n: u64) {
    let deadline = Instant::now() + PATIENCE;
    while !models::ledger(ledger)
        .iter()
        .any(|note| note.model == "kept" && note.n == n)
    {
        assert!(Instant::now() < deadline, "{n} does not begin");
        tokio::time::sleep(Duration::from_millis(10)).await; // poll
    }
}
