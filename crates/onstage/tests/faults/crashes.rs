//! Models that stop loading: they die at import, never become ready, or are killed while they load.

use crate::{
    actor::{self, act, echoes},
    experiment::{Experiment, is_full},
    gauges::{cpu, metric, percentile},
    world::{World, signal},
};
use std::time::{Duration, Instant};

#[tokio::test]
async fn f14_a_crash_loop_costs_little_and_is_told() {
    let mut it = Experiment::new("F14", "a worker that dies at import", 6_000, 60);
    let world = World::start().await;
    // Each worker imports by itself: one forked from a template would not meet what breaks later.
    let alone = "workers = { min = 0, max = 1 }\nshare = \"none\"";
    actor::push(&world, "loops", alone).await;
    actor::push(&world, "other", "workers = { min = 1, max = 1 }").await;
    let warm = if is_full() { 1_000 } else { 20 };
    let mut before = echoes(&world, &mut it, "other", warm).await;
    let broken = act(&world, "loops", "break", 0).await;
    it.check(broken.reason() == "worker_lost", || format!("{broken:?}"));
    let (began, spent) = (Instant::now(), cpu(world.server_pid()));
    let (mut told, mut others, mut seen) = (Vec::new(), Vec::new(), None);
    for n in 0..it.rounds() as u64 {
        let next = began + Duration::from_millis(50) * n as u32;
        tokio::time::sleep_until(next.into()).await;
        let (failed, other) =
            tokio::join!(act(&world, "loops", "ok", n), act(&world, "other", "ok", n));
        it.check(failed.reason() == "setup_failed", || format!("{failed:?}"));
        it.check(other.is(n), || format!("{other:?}"));
        if failed
            .answer
            .to_string()
            .contains("these are the last words")
        {
            seen.get_or_insert_with(|| began.elapsed());
        }
        told.push(failed.took);
        others.push(other.took);
    }
    let share = (cpu(world.server_pid()) - spent).as_secs_f64() / began.elapsed().as_secs_f64();
    it.check(seen.is_some(), || {
        "nobody was told the last words".to_owned()
    });
    let model = world.get("/v1/models/lab/loops").await.1;
    it.check(model["readiness"]["state"] == "failed", || {
        model["readiness"].to_string()
    });
    let starts = metric(&world, "onstage_worker_starts_total", &["lab/loops"]).await;
    it.check((2.0..=10.0).contains(&starts), || {
        format!("{starts} starts")
    });
    it.measured("starts", starts);
    it.at_most("front_cpu_percent", share * 100.0, 5.0);
    it.ms_at_most("last_words_after", seen.unwrap_or_default(), 10_000.0);
    it.ms_at_most("refused_p90", percentile(&mut told, 0.9), 10.0);
    let base = percentile(&mut before, 0.99).as_secs_f64() * 1000.0;
    it.measured("other_p99_before_ms", (base * 100.0).round() / 100.0);
    // Its start takes a whole core for a moment, which on few cores is nobody's fault: a millisecond more is let pass.
    it.ms_at_most(
        "other_p99_during",
        percentile(&mut others, 0.99),
        base * 1.1 + 1.0,
    );
    world.close().await;
    it.end();
}

#[tokio::test]
async fn f15_a_worker_that_never_becomes_ready_is_killed_and_its_place_is_free() {
    let mut it = Experiment::new("F15", "a worker that never becomes ready", 4, 1);
    let world = World::with(&[("ONSTAGE_WORKERS_TOTAL_MAX", "1")]).await;
    actor::push(
        &world,
        "never",
        "workers = { min = 0, max = 1 }\nstartup_timeout = \"2s\"",
    )
    .await;
    actor::push(&world, "other", "workers = { min = 0, max = 1 }").await;
    act(&world, "never", "slow start", 0).await;
    let mut starts = metric(&world, "onstage_worker_starts_total", &["lab/never"]).await;
    for n in 0..it.rounds() as u64 {
        let began = Instant::now();
        // Refused at once while it backs off; then one more is started, and killed.
        loop {
            let told = act(&world, "never", "ok", n).await;
            it.check(told.reason() == "setup_failed", || format!("{told:?}"));
            it.check(told.answer.to_string().contains("startup_timeout"), || {
                format!("the limit is not named: {told:?}")
            });
            let now = metric(&world, "onstage_worker_starts_total", &["lab/never"]).await;
            if now > starts {
                starts = now;
                break;
            }
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "it is not started again"
            );
            tokio::time::sleep(Duration::from_millis(100)).await; // poll
        }
        // The host has one place: it is free, or this would wait for ever.
        let other = act(&world, "other", "ok", n).await;
        it.check(other.is(n), || format!("{other:?}"));
        let workers = metric(&world, "onstage_workers", &["lab/never"]).await;
        it.check(workers == 0.0, || format!("{workers} workers are left"));
    }
    world.close().await;
    it.end();
}

#[tokio::test]
async fn s10_a_worker_killed_while_it_loads_is_told_and_not_waited_for() {
    let mut it = Experiment::new(
        "S10",
        "killed while it loads: no hang (Triton #5381)",
        20,
        2,
    );
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 0, max = 1 }").await;
    act(&world, "actor", "slow start", 0).await;
    for n in 0..it.rounds() as u64 {
        let waits = act(&world, "actor", "ok", n);
        let kills = async {
            loop {
                let starting = metric(&world, "onstage_workers", &["\"starting\""]).await;
                let found = world.pids("onstage.worker");
                if starting > 0.0 && !found.is_empty() {
                    return found.into_iter().for_each(|pid| signal(pid, "KILL"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await; // poll
            }
        };
        let told = tokio::select! {
            told = waits => told,
            told = async { kills.await; std::future::pending().await } => told,
        };
        it.check(told.reason() == "setup_failed", || format!("{told:?}"));
    }
    let alive = world.get("/v1/models").await.0;
    it.check(alive == 200, || format!("the server answers {alive}"));
    world.close().await;
    it.end();
}
