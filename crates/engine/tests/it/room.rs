//! Places on the host: GPUs, memory, turns between callers and between versions.

use crate::world::{PATIENCE, World, answer, model};
use onstage_core::{Id, model::VersionState, outcome::Reason};
use onstage_engine::{Ask, Engine, Settings};
use std::collections::BTreeSet;

const SEES: &str = "
import os, time
import onstage as on

@on.predict
def sees(x: int = 0) -> str:
    time.sleep(0.3)
    return str(os.environ.get('CUDA_VISIBLE_DEVICES'))
";

const SLOW: &str = "
import time
import onstage as on

@on.predict
def slow(x: int = 0) -> int:
    time.sleep(0.05)
    return x
";

fn by(ask: Ask, person: &str) -> Ask {
    let mut ask = ask;
    ask.by.id = person.parse::<Id>().unwrap();
    ask
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_sees_the_gpus_that_are_reserved_for_it() {
    let two = ["GPU-a".to_owned(), "GPU-b".to_owned()];
    let world = World::with(|settings| settings.gpus = two.to_vec()).await;
    let config = "[realtime]\ngpu = 1\nworkers = { min = 2, max = 4 }\n";
    let loaded = world.live(SEES, config).await;
    let mut seen = BTreeSet::new();
    // No third worker can be there, so the two answer all.
    for _ in 0..6 {
        let asked: Vec<_> = (0..4).map(|_| world.predict(&loaded, "{}")).collect();
        for ticket in &asked {
            seen.insert(answer(ticket).await.unwrap());
        }
        if seen.len() == 2 {
            break;
        }
    }
    assert_eq!(
        seen,
        BTreeSet::from(["\"GPU-a\"".into(), "\"GPU-b\"".into()])
    );
    let plain = world.live(&format!("{SEES}# plain\n"), "").await;
    assert_eq!(world.answer(&plain, "{}").await.unwrap(), "\"None\"");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_machine_never_has_is_said_when_a_version_is_pushed() {
    let world = World::with(|settings| settings.gpus = vec!["0".into()]).await;
    for (config, words) in [
        (
            "[realtime]\ngpu = 2\n",
            "asks for 2 GPU, and this machine has 1",
        ),
        ("[realtime]\nmemory = \"900TiB\"\n", "MiB of memory"),
    ] {
        let version = world.push(SEES, config).await;
        let VersionState::Failed { error } = version.state else {
            panic!("{config}: {:?}", version.state)
        };
        assert_eq!(error.kind, "no_capacity", "{error:?}");
        assert!(error.message.contains(words) && error.hint.is_some());
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_version_gives_a_worker_to_one_that_has_none() {
    let world = World::with(|settings| settings.workers_total_max = 2).await;
    let config = "[realtime]\nworkers = { max = 2 }\nqueue = 500\n";
    let busy = world.live(SLOW, config).await;
    let queued: Vec<_> = (0..400).map(|_| world.predict(&busy, "{}")).collect();
    world
        .until("both places are taken", async || {
            let gauges = world.engine.gauges();
            let mut pools = gauges.pools.iter();
            pools.any(|pool| pool.workers.busy == 2).then_some(())
        })
        .await;
    let other = world.push(&format!("{SLOW}# other\n"), config).await;
    let other = world.engine.loaded(&other.id).await.unwrap();
    let first = world.predict(&other, r#"{"x": 7}"#);
    assert_eq!(answer(&first).await.unwrap(), "7");
    let waiting = queued.iter().filter(|it| it.finished().is_none()).count();
    assert!(waiting > 0, "the other version was served only at the end");
    for ticket in &queued {
        assert_eq!(answer(ticket).await.unwrap(), "0");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_one_request_does_not_wait_for_another_s_thousand() {
    let world = World::new().await;
    let config = "[realtime]\nworkers = { max = 1 }\nqueue = 100\n";
    let loaded = world.live(SLOW, config).await;
    let crowd: Vec<_> = (0..130)
        .map(|_| {
            world
                .engine
                .predict(by(world.ask(&loaded, "{}"), "crowd-01"))
        })
        .collect();
    let refused = crowd.iter().filter(|asked| asked.is_err()).count();
    assert!(refused > 0, "the crowd has filled its queue");
    let one = world
        .engine
        .predict(by(world.ask(&loaded, r#"{"x": 1}"#), "person-2"));
    assert_eq!(answer(&one.unwrap()).await.unwrap(), "1");
    let done = crowd
        .iter()
        .flatten()
        .filter(|ticket| ticket.finished().is_some())
        .count();
    assert!(done < 50, "{done} of the crowd's went first");
    for ticket in crowd.into_iter().flatten() {
        assert_eq!(answer(&ticket).await.unwrap(), "0");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_leaks_files_is_told_before_the_machine_runs_out() {
    let world = World::new().await;
    let code = "
import os
import onstage as on

@on.predict
def leak(x: int = 0) -> int:
    held = []
    try:
        while len(held) < 20_000:
            held.append(os.dup(0))
    except OSError:
        return len(held)
    finally:
        for one in held:
            os.close(one)
    return -1
";
    for share in ["import", "none"] {
        let config = format!("[realtime]\nshare = \"{share}\"\n");
        let loaded = world.live(code, &config).await;
        let held: i32 = world.answer(&loaded, "{}").await.unwrap().parse().unwrap();
        assert!((3_000..4_096).contains(&held), "{share}: {held}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_outgrew_its_machine_says_so_to_whoever_asks() {
    let world = World::with(|settings| settings.gpus = vec!["0".into()]).await;
    let loaded = world.live(SEES, "[realtime]\ngpu = 1\n").await;
    assert_eq!(world.answer(&loaded, "{}").await.unwrap(), "\"0\"");
    // The same records on a machine without a GPU.
    let smaller = Settings {
        tempdir: world.tempdir(),
        gpus: Vec::new(),
        ..Settings::default()
    };
    let engine = Engine::start(world.parts.clone(), smaller).await.unwrap();
    let loaded = engine.live(&model()).unwrap();
    let asked = engine.predict(world.ask(&loaded, "{}")).unwrap();
    let failure = answer(&asked).await.unwrap_err();
    assert_eq!(failure.reason, Reason::NoCapacity, "{failure:?}");
    assert!(
        failure
            .message
            .contains("asks for 1 GPU, and this machine has 0")
    );
    engine.shutdown(PATIENCE).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_wait_in_a_worker_as_the_author_says() {
    let world = World::new().await;
    for (ahead, with_the_worker) in [(0, 1), (2, 3)] {
        let config = format!("[realtime]\nworkers = {{ max = 1 }}\nahead = {ahead}\n");
        let code = format!("{SLOW}# {ahead}\n");
        let loaded = world.live(&code, &config).await;
        world.answer(&loaded, "{}").await.unwrap();
        let asked: Vec<_> = (0..20).map(|_| world.predict(&loaded, "{}")).collect();
        world
            .until("the worker has what it may have", async || {
                let gauges = world.engine.gauges();
                let mut pools = gauges.pools.iter();
                let pool = pools.find(|it| it.version == loaded.version.id)?;
                (pool.in_flight == with_the_worker && pool.queued > 0).then_some(())
            })
            .await;
        for ticket in &asked {
            answer(ticket).await.unwrap();
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_that_was_tried_counts_from_the_moment_it_is_kept() {
    let world = World::new().await;
    for n in 0..20 {
        let code = format!("{SLOW}# {n}\n");
        let config = "[realtime]\nworkers = { min = 1, max = 1 }\n";
        let loaded = world.live(&code, config).await;
        world.answer(&loaded, "{}").await.unwrap();
        let gauges = world.engine.gauges();
        let mut pools = gauges.pools.iter();
        let pool = pools.find(|it| it.version == loaded.version.id).unwrap();
        assert_eq!(pool.starts, 0, "version {n} started another worker");
    }
    world.end().await;
}
