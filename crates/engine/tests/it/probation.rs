//! Probation: a newer version that turns out sick is withdrawn by itself; the one before was ready all the time.

use crate::{
    rollout::promote,
    world::{World, answer, model},
};
use onstage_core::{model::VersionId, outcome::Reason};
use onstage_engine::PoolGauges;
use std::time::Duration;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

fn good(n: u32) -> String {
    format!("import onstage as on\n\n@on.predict\ndef f(x: int = 0) -> int:\n    return {n}\n")
}

/// Answers with its number until the file is there; then it is sick.
fn turns(n: u32, how: &str) -> String {
    format!(
        "import os, pathlib\nimport onstage as on\n\n@on.predict\ndef f(x: int = 0) -> int:\n    if pathlib.Path('SICK').exists():\n        {how}\n    if x == 1:\n        pathlib.Path('SICK').touch()\n    return {n}\n"
    )
}

fn pool_of(world: &World, version: &VersionId) -> Option<PoolGauges> {
    let pools = world.engine.gauges().pools;
    pools.into_iter().find(|pool| pool.version == *version)
}

async fn probed(probation: Duration) -> World {
    World::with(|settings| settings.probation = probation).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_answers_fail_is_withdrawn_and_the_one_before_was_ready() {
    let world = probed(LONG).await;
    let first = world.live(&good(1), "").await;
    assert_eq!(world.answer(&first, "{}").await.unwrap(), "1");
    let second = world
        .live(&turns(2, "raise RuntimeError('the net is torn')"), "")
        .await;
    assert_eq!(world.answer(&second, r#"{"x": 1}"#).await.unwrap(), "2");
    let live = world
        .until("the first answers again", async || {
            let live = world.engine.live(&model()).unwrap();
            if live.version.id == first.version.id {
                return Some(live);
            }
            let held = pool_of(&world, &first.version.id).expect("the first is held");
            assert!(held.workers.ready() >= 1, "{held:?}");
            let failure = world.answer(&live, "{}").await.unwrap_err();
            assert_eq!(failure.reason, Reason::Exception);
            None
        })
        .await;
    assert_eq!(world.answer(&live, "{}").await.unwrap(), "1");
    assert_eq!(
        pool_of(&world, &first.version.id).unwrap().starts,
        0,
        "it had to be started again"
    );
    let store = &world.parts.store;
    let record = store.model(&model()).await.unwrap().unwrap();
    assert_eq!(
        (record.live, record.previous),
        (Some(first.version.id.clone()), None)
    );
    let noted = world
        .until("why is on record", async || {
            let version = store.version(&second.version.id).await.unwrap().unwrap();
            version.withdrawn().cloned()
        })
        .await;
    assert!(noted.why.contains("answers failed"), "{noted:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_workers_die_is_withdrawn() {
    let world = probed(LONG).await;
    let first = world.live(&good(1), "").await;
    let second = world.live(&turns(2, "os._exit(7)"), "").await;
    assert_eq!(world.answer(&second, r#"{"x": 1}"#).await.unwrap(), "2");
    world
        .until("the first answers again", async || {
            let live = world.engine.live(&model()).unwrap();
            if live.version.id == first.version.id {
                return Some(());
            }
            answer(&world.predict(&live, "{}")).await.unwrap_err();
            None
        })
        .await;
    assert_eq!(world.answer(&first, "{}").await.unwrap(), "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_start_any_more_takes_nothing_and_is_withdrawn() {
    let world = probed(LONG).await;
    let first = world.live(&good(1), "").await;
    let code = "
import pathlib, onstage as on

if pathlib.Path('SICK').exists():
    raise RuntimeError('the weights are gone')

@on.predict
def f(x: int = 0) -> int:
    pathlib.Path('SICK').touch()
    return 2
";
    let second = world.live(code, "").await;
    assert_eq!(world.answer(&second, "{}").await.unwrap(), "2");
    promote(&world, &first.version.id).await;
    world
        .until("the first answers, the second is gone", async || {
            let live = world.engine.live(&model()).unwrap();
            let back = live.version.id == first.version.id;
            (back && pool_of(&world, &second.version.id).is_none()).then_some(())
        })
        .await;
    promote(&world, &second.version.id).await;
    let store = &world.parts.store;
    let noted = world
        .until("it is withdrawn", async || {
            let live = world.engine.live(&model()).unwrap();
            assert_eq!(live.version.id, first.version.id);
            assert_eq!(world.answer(&live, "{}").await.unwrap(), "1");
            let version = store.version(&second.version.id).await.unwrap().unwrap();
            version.withdrawn().cloned()
        })
        .await;
    assert!(noted.why.contains("the weights are gone"), "{noted:?}");
    let record = store.model(&model()).await.unwrap().unwrap();
    assert_eq!(record.live.as_ref(), Some(&first.version.id));
    let starts = pool_of(&world, &second.version.id).unwrap().starts;
    assert!((3..=4).contains(&starts), "{starts}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_works_ends_the_probation_and_the_one_before_goes() {
    let world = probed(Duration::from_millis(1500)).await;
    let first = world.live(&good(1), "").await;
    let second = world.live(&good(2), "").await;
    assert!(pool_of(&world, &first.version.id).is_some(), "it is held");
    world
        .until("the first is gone", async || {
            assert_eq!(world.answer(&second, "{}").await.unwrap(), "2");
            pool_of(&world, &first.version.id).is_none().then_some(())
        })
        .await;
    let live = world.engine.live(&model()).unwrap();
    assert_eq!(live.version.id, second.version.id);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_room_gets_that_of_the_version_that_is_held() {
    let world = World::with(|settings| {
        settings.probation = LONG;
        settings.workers_total_max = 1;
    })
    .await;
    let config = "[realtime]\nworkers = { min = 1, max = 2 }\n";
    let first = world.live(&good(1), config).await;
    let slow = "import time\nimport onstage as on\n\n@on.predict\ndef f(x: int = 0) -> int:\n    time.sleep(0.5)\n    return 2\n";
    let second = world.live(slow, config).await;
    world
        .until("the held one gave its place", async || {
            let tickets: Vec<_> = (0..4).map(|_| world.predict(&second, "{}")).collect();
            for ticket in &tickets {
                assert_eq!(answer(ticket).await.unwrap(), "2");
            }
            let held = pool_of(&world, &first.version.id);
            held.is_none_or(|held| held.workers.ready() == 0)
                .then_some(())
        })
        .await;
    world.end().await;
}
