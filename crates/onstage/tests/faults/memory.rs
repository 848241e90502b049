//! Workers that want more memory than they may have.

use crate::{
    actor::{self, act},
    experiment::Experiment,
    world::World,
};

#[tokio::test]
async fn f16_a_worker_over_its_memory_is_told_so() {
    let mut it = Experiment::new("F16", "a worker over its memory", 50, 3);
    let world = World::start().await;
    actor::push(
        &world,
        "actor",
        "workers = { min = 1, max = 2 }\nmemory = \"512MiB\"",
    )
    .await;
    let front = world.server_pid();
    for n in 1..=it.rounds() as u64 {
        let told = act(&world, "actor", "eat", n).await;
        it.check(told.reason() == "out_of_memory", || format!("{told:?}"));
        let after = act(&world, "actor", "ok", n).await;
        it.check(after.is(n), || format!("{after:?}"));
        let tries = act(&world, "actor", "eaten", 0).await.answer["output"][0].clone();
        it.check(tries.as_u64().is_some_and(|tries| tries <= 2 * n), || {
            format!("{n} inputs were tried {tries} times")
        });
    }
    it.check(world.server_pid() == front, || {
        "the front is another process".to_owned()
    });
    world.close().await;
    it.end();
}
