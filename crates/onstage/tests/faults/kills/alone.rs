//! F04: one process dies at a time, with nothing else going wrong: how soon its job runs again, and how its run numbers go.

use super::{
    models::Note,
    stage::{Role, Stage, now},
};
use crate::{experiment::Experiment, gauges::percentile, world::PATIENCE};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a job computes: longer than it takes to kill its worker.
const JOB_MS: u64 = 400;
/// On the same host, from the kill to the next run.
const AGAIN_MS_MAX: f64 = 2_000.0;

#[tokio::test]
async fn f04_a_killed_task_is_noticed_and_its_job_runs_again() {
    kill_one_by_one("F04", "kill the task of a job", Role::Task, "300ms").await;
}

#[tokio::test]
async fn f04b_a_killed_worker_of_a_task_is_replaced() {
    kill_one_by_one(
        "F04b",
        "kill the worker of a job's task",
        Role::Worker,
        "10s",
    )
    .await;
}

async fn kill_one_by_one(name: &'static str, title: &'static str, role: Role, linger: &str) {
    let mut it = Experiment::new(name, title, 200, 5);
    let stage = Stage::open(linger).await;
    let mut again = Vec::new();
    for n in 0..it.rounds() as u64 {
        if role == Role::Task {
            no_task_is_left(&stage).await;
        }
        let body = json!({"input": {"n": n, "ms": JOB_MS}});
        let path = "/v1/models/lab/kept/predictions";
        let (status, made) = stage.caller.submit(path, &body, &format!("{n}")).await;
        it.check(status == 202, || made.to_string());
        let first = begun(&stage, n, 0).await;
        tokio::time::sleep(Duration::from_millis(it.random(JOB_MS / 2))).await;
        let victim = match role {
            Role::Task => task_of(&stage, first.pid),
            _ => first.pid,
        };
        let at = now();
        stage.kill(victim);
        let second = begun(&stage, n, 1).await;
        again.push(Duration::from_secs_f64((second.at - at).max(0.0)));
        let id = made["id"].as_str().unwrap();
        let ended = stage.world.finished(&format!("/v1/predictions/{id}")).await;
        it.check(ended["output"]["token"] == second.token.as_str(), || {
            format!("not the result of the run after the kill: {ended}")
        });
        let (_, job) = stage.caller.get(&format!("/v1/jobs/{id}")).await;
        it.check(is_in_its_second_run(&job), || job.to_string());
    }
    it.ms_at_most(
        "running_again_max",
        percentile(&mut again, 1.0),
        AGAIN_MS_MAX,
    );
    it.ms_at_most(
        "running_again_p99",
        percentile(&mut again, 0.99),
        AGAIN_MS_MAX,
    );
    let p50 = percentile(&mut again, 0.5).as_millis() as u64;
    it.measured("running_again_p50_ms", p50);
    let record = stage.close().await;
    it.check(record.left.is_empty(), || format!("{:?}", record.left));
    it.end();
}

/// The run number is one more, exactly, and what ended before it is told.
fn is_in_its_second_run(job: &Value) -> bool {
    let attempts = job["attempts"].as_array().map_or(0, Vec::len);
    (&job["run"], attempts, &job["status"]) == (&json!(2), 1, &json!("succeeded"))
}

/// Each kill by itself: a version whose tasks die one soon after the other waits longer and longer.
async fn no_task_is_left(stage: &Stage) {
    let deadline = Instant::now() + PATIENCE;
    while !stage.processes(Role::Task).is_empty() {
        assert!(Instant::now() < deadline, "a task does not end");
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
}

/// The run of a job after so many others.
async fn begun(stage: &Stage, n: u64, before: usize) -> Note {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let notes = stage.ledger();
        let mut runs = notes.iter().filter(|note| note.begins && note.n == n);
        if let Some(run) = runs.nth(before) {
            return run.clone();
        }
        assert!(Instant::now() < deadline, "{n} does not begin: {notes:?}");
        tokio::time::sleep(Duration::from_millis(5)).await; // poll
    }
}

fn task_of(stage: &Stage, worker: u32) -> u32 {
    let tasks = stage.processes(Role::Task).into_iter();
    let mut tasks = tasks.map(|(task, _)| task);
    let own = tasks.find(|task| stage.workers_of(*task).contains(&worker));
    own.expect("a worker of a task")
}
