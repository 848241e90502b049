//! Several fronts on one store: they share the work and do none of it twice, also when one of them dies or stands still.

use crate::{
    databases::{self, Server},
    experiment::{Experiment, is_full},
    world::{PATIENCE, World, answer, signal},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    process::Command,
    time::{Duration, Instant},
};

/// Requests that a test has under way at a time.
const AT_ONCE: usize = 32;

/// Says where it runs, and writes it down: a line for every time it was really run.
const NOTED: &str = r#"
import os, time
import onstage as on

@on.predict(background=True)
def noted(n: int, file: str, seconds: float = 0.0, *, ctx: on.Ctx) -> str:
    with open(file, "ab", buffering=0) as runs:
        runs.write(b"%d\n" % n)
    if seconds:
        ctx.progress(0, 1, __file__)
        time.sleep(seconds)
    return __file__
"#;
const NOTED_TOML: &str = "[model]\nname = \"noted\"\n[jobs]\nlinger = \"2s\"\n";

const NAP: &str = r#"
import time
import onstage as on

@on.predict
def nap(seconds: float) -> str:
    time.sleep(seconds)
    return __file__
"#;

/// What a query on PostgreSQL answers, a line for each row.
pub(crate) fn ask(url: &str, query: &str) -> String {
    let mut client = Command::new("psql");
    let output = client
        .args([url, "--tuples-only", "--no-align", "--command", query])
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{query}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// So many fronts, and the URL of their store.
async fn fronts(count: usize) -> (Vec<World>, String) {
    let store = databases::fresh(Server::Postgres);
    let mut fronts = vec![World::first_of_many(&store, &[]).await];
    for _ in 1..count {
        fronts.push(fronts[0].beside().await);
    }
    (fronts, store)
}

/// The front in whose data folder a model's file lies.
fn place_of(fronts: &[World], file: &str) -> Option<usize> {
    let folder = |front: &World| front.folder.path().to_str().unwrap().to_owned();
    fronts
        .iter()
        .position(|front| file.contains(&folder(front)))
}

async fn submit(front: &World, n: usize, seconds: f64, file: &str) -> (u16, Value) {
    let input = json!({"input": {"n": n, "file": file, "seconds": seconds}});
    front.post("/v1/models/lab/noted/predictions", &input).await
}

async fn share(count: usize, it: &mut Experiment) {
    let jobs = it.rounds();
    let (fronts, store) = fronts(count).await;
    fronts[0]
        .push("noted", NOTED, &[("onstage.toml", NOTED_TOML)])
        .await;
    let file = fronts[0].folder.path().join("runs.txt");
    let file = file.to_str().unwrap();
    let began = Instant::now();
    let sender = |first: usize| {
        let fronts = &fronts;
        async move {
            let mut made = Vec::new();
            for n in (first..jobs).step_by(AT_ONCE) {
                made.push(submit(&fronts[n % count], n, 0.0, file).await);
            }
            made
        }
    };
    let made = futures::future::join_all((0..AT_ONCE).map(sender))
        .await
        .concat();
    for (status, made) in &made {
        // A quick one may have ended before its maker was answered.
        it.check(matches!(*status, 201 | 202), || made.to_string());
    }
    all_ended(&store).await;
    it.measured(
        &format!("{count}_fronts_jobs_per_s"),
        (jobs as f64 / began.elapsed().as_secs_f64()).round(),
    );
    let well = "SELECT count(*) FROM jobs WHERE state = 'succeeded' AND run = 1";
    let well = ask(&store, well);
    it.check(well == jobs.to_string(), || {
        format!("{well} of {jobs} ended well in their first run")
    });
    let ends = ask(
        &store,
        "SELECT count(*) FROM events WHERE kind = 'completed'",
    );
    it.check(ends == jobs.to_string(), || {
        format!("{ends} ends are told for {jobs} jobs")
    });
    let runs = std::fs::read_to_string(file).unwrap();
    let different: HashSet<&str> = runs.lines().collect();
    it.check(
        (runs.lines().count(), different.len()) == (jobs, jobs),
        || format!("{} runs of {} jobs", runs.lines().count(), different.len()),
    );
    spread(it, &fronts, &store);
    for front in fronts {
        front.close().await;
    }
}

/// How far the fronts' shares of the jobs are from equal.
fn spread(it: &mut Experiment, fronts: &[World], store: &str) {
    let (jobs, count) = (it.rounds(), fronts.len());
    let outputs = "SELECT output_json FROM jobs WHERE kind = 'prediction'";
    let mut shares: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    for output in ask(store, outputs).lines() {
        *shares.entry(place_of(fronts, output)).or_default() += 1;
    }
    let even = 100.0 / count as f64;
    let off = (0..count).map(|front| {
        let share = shares.get(&Some(front)).copied().unwrap_or(0);
        (share as f64 * 100.0 / jobs as f64 - even).abs()
    });
    it.at_most(
        &format!("{count}_fronts_points_off"),
        off.fold(0.0, f64::max),
        10.0,
    );
}

async fn all_ended(store: &str) {
    let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')";
    let began = Instant::now();
    while ask(store, open) != "0" {
        assert!(
            began.elapsed() < 4 * PATIENCE,
            "the jobs do not come to an end"
        );
        tokio::time::sleep(Duration::from_millis(250)).await; // poll
    }
}

#[tokio::test]
async fn f11_two_and_four_fronts_share_the_jobs_and_run_none_twice() {
    let title =
        "two, then four fronts on one store: no job is claimed twice, work is spread evenly";
    let mut it = Experiment::new("F11", title, 10_000, 300);
    share(2, &mut it).await;
    if is_full() {
        share(4, &mut it).await;
    }
    it.end();
}

async fn use_key(fronts: &[World], file: &str, key: usize, time: usize, n: usize) -> (u16, Value) {
    let front = &fronts[time % fronts.len()];
    let input = json!({"input": {"n": n, "file": file}});
    let path = format!("{}/v1/models/lab/noted/predictions", front.url);
    // One person, whichever front is asked: keys of two people never meet.
    let request = front.client.post(path).bearer_auth(&fronts[0].token);
    let request = request.header("idempotency-key", format!("key {key}"));
    answer(request.json(&input)).await
}

#[tokio::test]
async fn f12_one_key_over_two_fronts_is_one_job() {
    let title = "a key is used 20 times at once over two fronts, half of the answers cut off";
    let mut it = Experiment::new("F12", title, 1_000, 25);
    let times = if is_full() { 20 } else { 8 };
    let (fronts, store) = fronts(2).await;
    fronts[0]
        .push("noted", NOTED, &[("onstage.toml", NOTED_TOML)])
        .await;
    let file = fronts[0].folder.path().join("runs.txt");
    let file = file.to_str().unwrap();
    for key in 0..it.rounds() {
        let cuts: Vec<Option<u64>> = (0..times)
            .map(|time| (time % 4 > 1).then(|| it.random(12)))
            .collect();
        let all = cuts.iter().enumerate().map(async |(time, cut)| match cut {
            Some(ms) => tokio::time::timeout(
                Duration::from_millis(*ms),
                use_key(&fronts, file, key, time, key),
            )
            .await
            .ok(),
            None => Some(use_key(&fronts, file, key, time, key).await),
        });
        let answers: Vec<(u16, Value)> = futures::future::join_all(all)
            .await
            .into_iter()
            .flatten()
            .collect();
        let ids: HashSet<String> = answers
            .iter()
            .map(|(_, made)| made["id"].to_string())
            .collect();
        it.check(ids.len() == 1, || format!("key {key}: {answers:?}"));
        it.check(
            answers
                .iter()
                .all(|(status, _)| matches!(status, 200..=202)),
            || format!("{answers:?}"),
        );
        for front in 0..2 {
            let (status, other) = use_key(&fronts, file, key, front, key + 1_000_000).await;
            it.check(status == 409, || {
                format!("another body was taken: {status} {other}")
            });
        }
    }
    let jobs = ask(&store, "SELECT count(*) FROM jobs");
    let keys = it.rounds();
    it.check(jobs == keys.to_string(), || {
        format!("{jobs} jobs for {keys} keys")
    });
    all_ended(&store).await;
    let runs = std::fs::read_to_string(file).unwrap();
    let runs = runs.lines().count();
    it.check(runs == keys, || format!("{runs} runs for {keys} keys"));
    for front in fronts {
        front.close().await;
    }
    it.end();
}

#[tokio::test]
async fn f05_a_host_that_is_gone_leaves_its_job_to_another() {
    let mut it = Experiment::new("F05", "a whole host is gone: its job runs on another", 5, 1);
    for n in 0..it.rounds() {
        let (mut fronts, _) = fronts(2).await;
        fronts[0]
            .push("noted", NOTED, &[("onstage.toml", NOTED_TOML)])
            .await;
        let file = fronts[0].folder.path().join("runs.txt");
        let (status, made) = submit(&fronts[0], n, 8.0, file.to_str().unwrap()).await;
        it.check(status == 202, || made.to_string());
        let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
        let begun = fronts[1]
            .until(&path, |job| job["progress"]["text"].is_string())
            .await;
        let at = place_of(&fronts, begun["progress"]["text"].as_str().unwrap()).unwrap();
        let mut gone = fronts.swap_remove(at);
        gone.kill_server();
        for (pid, _) in gone.processes() {
            signal(pid, "KILL");
        }
        let began = Instant::now();
        let runs_again = |job: &Value| {
            let place = job["progress"]["text"].as_str();
            place.is_some_and(|place| place_of(&fronts, place).is_some())
        };
        fronts[0].until(&path, runs_again).await;
        it.ms_at_most("runs_elsewhere_after", began.elapsed(), 60_000.0);
        let ended = fronts[0].finished(&path).await;
        it.check(ended["status"] == "succeeded", || ended.to_string());
        let log = fronts[0].events(&path).await;
        let ends = log
            .iter()
            .filter(|event| event["event"] == "completed")
            .count();
        it.check(ends == 1, || format!("{log:?}"));
        gone.close().await;
        for front in fronts {
            front.close().await;
        }
    }
    it.end();
}

#[tokio::test]
async fn f06_a_front_that_stood_still_writes_nothing_late() {
    let title = "a front stands still until another has taken its prediction over, and goes on";
    let mut it = Experiment::new("F06", title, 3, 1);
    let (fronts, _) = fronts(2).await;
    fronts[0].push("nap", NAP, &[]).await;
    for _ in 0..it.rounds() {
        let request = fronts[0].request(Method::POST, "/v1/models/lab/nap/predictions");
        let request = request.header("prefer", "respond-async");
        let (status, made) = answer(request.json(&json!({"input": {"seconds": 3}}))).await;
        it.check(status == 202, || made.to_string());
        let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
        signal(fronts[0].server_pid(), "STOP");
        let ended = fronts[1].finished(&path).await;
        it.check(ended["status"] == "succeeded", || ended.to_string());
        let output = ended["output"].as_str().unwrap_or_default();
        it.check(place_of(&fronts, output) == Some(1), || {
            format!("not run by the other: {output}")
        });
        signal(fronts[0].server_pid(), "CONT");
        let began = Instant::now();
        let again = fronts[0].predict("nap", json!({"seconds": 0})).await;
        it.check(again.0 == 201, || again.1.to_string());
        it.ms_at_most("answers_again_after", began.elapsed(), 5_000.0);
        // Its worker had the answer long ago; by now it has been told that it came too late.
        tokio::time::sleep(Duration::from_secs(5)).await;
        for front in &fronts {
            let (_, still) = front.get(&path).await;
            it.check(still["output"] == ended["output"], || {
                format!("changed late: {still}")
            });
        }
        let log = fronts[1].events(&path).await;
        let ends = log
            .iter()
            .filter(|event| event["event"] == "completed")
            .count();
        it.check(ends == 1, || format!("{log:?}"));
    }
    for front in fronts {
        front.close().await;
    }
    it.end();
}
