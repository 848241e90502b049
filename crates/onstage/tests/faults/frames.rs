//! Workers that break the protocol or talk beside it. Nobody gets another's answer, and the front does not grow.

use crate::{
    actor::{self, act, echoes},
    experiment::{Experiment, is_full},
    gauges::{metric, own_bytes, percentile, settled},
    world::World,
};
use std::time::Instant;

/// Frames that one call sends.
const FRAMES_PER_CALL: u64 = 20_000;

#[tokio::test]
async fn f18_a_worker_that_writes_garbage() {
    let mut it = Experiment::new("F18", "a worker that writes garbage", 200, 9);
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    echoes(&world, &mut it, "actor", 50).await;
    let (front, before) = (world.server_pid(), own_bytes(world.server_pid()));
    let mut replaced = Vec::new();
    for round in 0..it.rounds() as u64 {
        let how = ["noise", "huge", "no json", "print"][round as usize % 4];
        let told = act(&world, "actor", how, round).await;
        let fine = match how {
            "print" => told.is(round),
            _ => told.reason() == "worker_lost",
        };
        it.check(fine, || format!("{how}: {told:?}"));
        let began = Instant::now();
        let next = act(&world, "actor", "ok", round).await;
        it.check(next.is(round), || format!("after {how}: {next:?}"));
        replaced.push(began.elapsed());
    }
    let calls = if is_full() { 50 } else { 1 };
    for n in 0..calls {
        let (wrong, next) = (FRAMES_PER_CALL + n, n);
        let told = act(&world, "actor", "wrong ids", wrong).await;
        it.check(told.is(wrong), || format!("wrong ids: {told:?}"));
        let own = act(&world, "actor", "ok", next).await;
        it.check(own.is(next), || format!("after wrong ids: {own:?}"));
    }
    let strays = metric(&world, "onstage_stray_answers_total", &[]).await;
    it.check(strays >= (FRAMES_PER_CALL * calls) as f64, || {
        format!("{strays} strays were counted")
    });
    it.measured("frames", strays + it.rounds() as f64);
    let grown = own_bytes(front).saturating_sub(before);
    it.at_most("front_grew_mib", grown as f64 / f64::from(1 << 20), 16.0);
    it.ms_at_most("next_answer_max", percentile(&mut replaced, 1.0), 1_000.0);
    it.check(!world.printed().contains("panicked"), || world.printed());
    let left = settled(&world).await;
    it.check(left == 0.0, || format!("{left} are still in flight"));
    world.close().await;
    it.end();
}
