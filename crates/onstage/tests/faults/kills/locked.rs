//! F07: the store is a file, and another process holds its lock. Tasks and workers die meanwhile, and others go on.

use super::{
    at_random::{history, tell},
    caller::Dice,
    load::Load,
    stage::{Role, Stage},
};
use crate::{
    experiment::{Experiment, is_full},
    outage,
    world::PATIENCE,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longer than a lock is waited for; in full, longer than a lease lasts.
const REDUCED: Duration = Duration::from_secs(7);
const FULL: Duration = Duration::from_secs(40);
const HOLD: &str = r#"
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
store.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"#;

/// Another process that holds the lock for as long as this lives.
struct Lock(Child);

impl Lock {
    fn take(store: &Path) -> Self {
        let mut holder = Command::new("python3")
            .args(["-c", HOLD])
            .arg(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(holder.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self(holder)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn f07_a_locked_store_stops_no_call_and_loses_no_job() {
    let title = "the store's file is locked by another process";
    let mut it = Experiment::new("F07", title, 3, 1);
    let length = if is_full() { FULL } else { REDUCED };
    let stage = Stage::open("300ms").await;
    outage::push(&stage.world).await;
    let load = Load::begin(&stage, Dice::new(it.random(u64::MAX)), 6);
    let mut unknown = 0;
    for round in 0..it.rounds() as u64 {
        unknown += one_outage(&mut it, &stage, length, round).await;
    }
    let mut outcome = load.end().await;
    outcome.unknown += unknown;
    let bad = stage.try_all(20).await;
    it.check(bad.is_empty(), || format!("I9: after the outage: {bad:?}"));
    let (notes, record) = (stage.ledger(), stage.close().await);
    tell(&mut it, &outcome, &history(&outcome, &notes, record));
    it.end();
}

/// Answers how many jobs there may be of which the load does not know.
async fn one_outage(it: &mut Experiment, stage: &Stage, length: Duration, round: u64) -> usize {
    let (n, ms) = (900_000_000 + round, length.as_millis() as u64 + 2_000);
    let body = json!({"input": {"n": n, "ms": ms}});
    let path = "/v1/models/lab/kept/predictions";
    let (status, made) = stage.caller.submit(path, &body, &format!("long {n}")).await;
    it.check(status == 202, || made.to_string());
    let worker = worker_of(stage, n).await;
    let lock = Lock::take(&stage.world.data().join("onstage.db"));
    let killed = async {
        tokio::time::sleep(length / 3).await;
        let tasks = stage.processes(Role::Task);
        let other = tasks
            .iter()
            .find(|(task, _)| !stage.workers_of(*task).contains(&worker));
        other.map(|(task, _)| stage.kill(*task)).is_some()
    };
    let back = async { drop(lock) };
    let (unknown, killed) = tokio::join!(
        outage::sit_out(it, &stage.world, &stage.caller, length, back),
        killed
    );
    it.counted("killed_meanwhile", usize::from(killed));
    let id = made["id"].as_str().unwrap();
    stage.world.finished(&format!("/v1/predictions/{id}")).await;
    let (_, job) = stage.caller.get(&format!("/v1/jobs/{id}")).await;
    it.check(went_on(&job), || format!("the outage ended a run: {job}"));
    unknown + 1
}

/// It succeeded in its first run.
fn went_on(job: &Value) -> bool {
    (&job["run"], &job["status"]) == (&json!(1), &json!("succeeded"))
}

/// The worker that computes `n`, once it does.
async fn worker_of(stage: &Stage, n: u64) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let notes = stage.ledger();
        let begun = notes.iter().find(|note| note.begins && note.n == n);
        if let Some(note) = begun {
            return note.pid;
        }
        assert!(Instant::now() < deadline, "{n} does not begin");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
}
