//! Workers that go silent: asleep, holding the interpreter, stopped, late. Callers are told in time, and their answers are their own.

use crate::{
    actor::{self, act},
    experiment::Experiment,
    gauges::{metric, percentile, settled},
    world::{World, signal},
};
use std::time::{Duration, Instant};

/// The model's own limit.
const LIMIT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn f17_a_worker_that_never_answers() {
    let mut it = Experiment::new("F17", "a worker that never answers", 40, 4);
    let world = World::start().await;
    actor::push(
        &world,
        "actor",
        "workers = { min = 1, max = 1 }\ntimeout = \"1s\"",
    )
    .await;
    let (mut over, mut replaced) = (Vec::new(), Vec::new());
    for round in 0..it.rounds() {
        let how = ["sleep", "hold", "stop", "late"][round % 4];
        let told = act(&world, "actor", how, 1_000).await;
        it.check(told.reason() == "timeout", || format!("{how}: {told:?}"));
        over.push(told.took.saturating_sub(LIMIT));
        let began = Instant::now();
        for n in 0..5 {
            let next = act(&world, "actor", "ok", n).await;
            it.check(next.is(n), || format!("after {how}: {next:?}"));
            if n == 0 {
                replaced.push(began.elapsed());
            }
        }
    }
    let strays = metric(&world, "onstage_stray_answers_total", &[]).await;
    it.measured("late_answers_dropped", strays);
    it.ms_at_most("told_after_limit_max", percentile(&mut over, 1.0), 100.0);
    it.ms_at_most("next_answer_max", percentile(&mut replaced, 1.0), 5_000.0);
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s04_a_queue_before_a_silent_worker_moves_again_by_itself() {
    let mut it = Experiment::new(
        "S04",
        "a queue before a silent worker moves again (ray #38249)",
        10,
        1,
    );
    let world = World::start().await;
    actor::push(
        &world,
        "actor",
        "workers = { min = 1, max = 1 }\ntimeout = \"1s\"",
    )
    .await;
    for _ in 0..it.rounds() {
        let pid = act(&world, "actor", "ok", 0).await.pid().unwrap();
        signal(pid, "STOP");
        let calls = (0..20).map(|n| act(&world, "actor", "ok", n));
        for (n, told) in futures::future::join_all(calls)
            .await
            .into_iter()
            .enumerate()
        {
            let first = told.reason() == "timeout";
            it.check(told.is(n as u64) || first, || format!("{told:?}"));
        }
        let after = act(&world, "actor", "ok", 7).await;
        it.check(after.is(7) && after.pid() != Some(pid), || {
            format!("{after:?}")
        });
    }
    let left = settled(&world).await;
    it.check(left == 0.0, || format!("{left} are still in flight"));
    world.close().await;
    it.end();
}
