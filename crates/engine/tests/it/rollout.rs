//! Versions: built, refused, promoted, replaced under load.

use crate::world::{PATIENCE, World, answer, model};
use onstage_core::{
    model::{VersionId, VersionState},
    outcome::Reason,
};
use onstage_engine::PoolGauges;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

fn version(n: u32) -> String {
    format!(
        "
import onstage as on

@on.predict
def f(x: int = 0) -> int:
    return {n}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_models_are_refused_with_the_authors_own_lines() {
    let world = World::new().await;
    for (code, kind, words) in [
        (
            "import onstage as on\n\ndef f(:\n",
            "import_failed",
            "def f(:",
        ),
        (
            "import onstage as on\nimport nothing_like_this\n",
            "import_failed",
            "nothing_like_this",
        ),
        ("import onstage as on\n", "no_predictor", ""),
        (
            "import onstage as on\n\n@on.setup\ndef net():\n    raise ValueError('no net')\n\n@on.predict\ndef f(x: int, *, net) -> int:\n    return 1\n",
            "setup_failed",
            "no net",
        ),
        (
            "import onstage as on, os\n\n@on.setup\ndef net():\n    print('last words', flush=True)\n    os._exit(7)\n\n@on.predict\ndef f(x: int, *, net) -> int:\n    return 1\n",
            "worker_lost",
            "last words",
        ),
        (
            "import onstage as on, time\n\n@on.setup\ndef net():\n    time.sleep(60)\n\n@on.predict\ndef f(x: int, *, net) -> int:\n    return 1\n",
            "timeout",
            "",
        ),
    ] {
        let version = world
            .push(code, "[realtime]\nstartup_timeout = \"2s\"\n")
            .await;
        let VersionState::Failed { error } = &version.state else {
            panic!("{kind}: {:?}", version.state)
        };
        assert_eq!(error.kind, kind, "{error:?}");
        let all = format!(
            "{} {}",
            error.message,
            error.traceback.as_deref().unwrap_or_default()
        );
        assert!(all.contains(words), "{kind}: {all}");
    }
    assert!(world.engine.live(&model()).is_none());
    assert_eq!(world.engine.readiness(&model()).state, "none");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_that_is_answered_otherwise_keeps_a_version_from_going_live() {
    let world = World::new().await;
    let first = world.live(&version(1), "").await;
    let second = world
        .push_with(&version(2), "", |folder| {
            std::fs::create_dir(folder.join("examples")).unwrap();
            std::fs::write(
                folder.join("examples/it.json"),
                r#"{"input": {"x": 1}, "output": 3}"#,
            )
            .unwrap();
        })
        .await;
    let VersionState::Failed { error } = &second.state else {
        panic!("{:?}", second.state)
    };
    assert_eq!(
        (error.kind.as_str(), error.message.as_str()),
        ("example_failed", "example `it`: expected 3, got 2")
    );
    let key = onstage_engine::builder::log_key(&second.id);
    let size = world.parts.blobs.size(&key).await.unwrap();
    let log = world.parts.blobs.read(&key, 0..size).await.unwrap();
    assert!(String::from_utf8_lossy(&log).contains("expected 3, got 2"));
    assert_eq!(
        world.engine.live(&model()).unwrap().version.id,
        first.version.id
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_under_load_fails_no_request() {
    let world = Arc::new(World::new().await);
    world.live(&version(1), "").await;
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (world, stop, asked) = (world.clone(), stop.clone(), asked.clone());
            onstage_engine::spawn::spawn("caller", async move {
                let mut last = 0;
                // Its last answer may have been under way since before the switch; the next one is not.
                while !stop.load(Ordering::Relaxed) || last != 3 {
                    let live = world.engine.live(&model()).unwrap();
                    let output = world.answer(&live, "{}").await.unwrap();
                    last = output.parse::<u32>().unwrap();
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                last
            })
        })
        .collect();
    for n in 2..=3 {
        let before = asked.load(Ordering::Relaxed);
        world.live(&version(n), "").await;
        world
            .until("callers went on", async || {
                (asked.load(Ordering::Relaxed) > before + 200).then_some(())
            })
            .await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        let last = tokio::time::timeout(PATIENCE, caller)
            .await
            .expect("it sees the new version");
        assert_eq!(last.unwrap().expect("no caller failed"), 3);
    }
    world
        .until("old pools are gone", async || {
            (world.engine.gauges().pools.len() == 1).then_some(())
        })
        .await;
    Arc::into_inner(world).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_workers_go_to_sleep_and_wake_for_the_next_request() {
    let world = World::new().await;
    let live = world
        .live(&version(1), "[realtime]\nidle = \"300ms\"\n")
        .await;
    assert_eq!(world.answer(&live, "{}").await.unwrap(), "1");
    world
        .until("it sleeps", async || {
            (world.engine.readiness(&model()).state == "asleep").then_some(())
        })
        .await;
    let ticket = world.predict(&live, "{}");
    assert_eq!(answer(&ticket).await.unwrap(), "1");
    assert!(
        ticket
            .events_after(0)
            .iter()
            .any(|event| event.kind.name() == "phase")
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_shutdown_began_nothing_is_taken_and_what_waits_is_told() {
    let world = World::new().await;
    let code = "
import time, onstage as on

@on.predict
def nap(s: float) -> float:
    time.sleep(s)
    return s
";
    let live = world
        .live(code, "[realtime]\nworkers = { min = 1, max = 1 }\n")
        .await;
    let running = world.predict(&live, r#"{"s": 0.5}"#);
    let never = world.predict(&live, r#"{"s": 60}"#);
    let waiting = world.predict(&live, r#"{"s": 60}"#);
    world
        .engine
        .shutdown(std::time::Duration::from_secs(2))
        .await;
    assert_eq!(answer(&running).await.unwrap(), "0.5");
    assert_eq!(answer(&never).await.unwrap_err().reason, Reason::WorkerLost);
    assert_eq!(
        answer(&waiting).await.unwrap_err().reason,
        Reason::WorkerLost
    );
    assert!(world.engine.predict(world.ask(&live, "{}")).is_err());
    world.end().await;
}

pub(crate) async fn promote(world: &World, version: &VersionId) {
    let store = &world.parts.store;
    let mut record = store.model(&model()).await.unwrap().unwrap();
    record.live = Some(version.clone());
    store.update_model(record).await.unwrap();
    world.engine.nudge();
}

fn answers(world: &World, version: &VersionId) -> bool {
    world
        .engine
        .live(&model())
        .is_some_and(|live| live.version.id == *version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_rolled_back_to_while_it_drains_goes_on_with_its_workers() {
    let world = World::new().await;
    let code = "
import time, onstage as on

@on.predict
def nap(s: float = 0.0) -> float:
    time.sleep(s)
    return s
";
    let first = world.live(code, "").await;
    let long = world.predict(&first, r#"{"s": 3.0}"#);
    let second = world.live(&version(2), "").await;
    promote(&world, &first.version.id).await;
    world
        .until("the first answers again", async || {
            answers(&world, &first.version.id).then_some(())
        })
        .await;
    assert_eq!(answer(&long).await.unwrap(), "3.0");
    world
        .until("the second is gone", async || {
            (world.engine.gauges().pools.len() == 1).then_some(())
        })
        .await;
    // By now the drain of the first would have closed it, had it not been opened again.
    assert_eq!(world.answer(&first, "{}").await.unwrap(), "0.0");
    let pools = world.engine.gauges().pools;
    assert_eq!(pools.len(), 1, "{pools:?}");
    assert_eq!(pools[0].answers, [(Reason::Ok, 2)], "it is another pool");
    assert_ne!(second.version.id, first.version.id);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_is_called_off_while_it_loads_never_gets_the_traffic() {
    let world = World::new().await;
    let slow = format!("import time\ntime.sleep(1.5)\n{}", version(1));
    let first = world.live(&slow, "").await;
    let second = world.live(&version(2), "").await;
    world
        .until("the first is gone", async || {
            (world.engine.gauges().pools.len() == 1).then_some(())
        })
        .await;
    promote(&world, &first.version.id).await;
    world
        .until("the first loads", async || {
            (world.engine.gauges().pools.len() == 2).then_some(())
        })
        .await;
    promote(&world, &second.version.id).await;
    world
        .until("the first is loaded", async || {
            assert!(answers(&world, &second.version.id));
            let pools = world.engine.gauges().pools;
            let loaded = |pool: &PoolGauges| pool.version_number == 1 && pool.workers.idle > 0;
            pools.iter().any(loaded).then_some(())
        })
        .await;
    let asked = world.answer(&second, "{}").await;
    assert_eq!(asked.unwrap(), "2");
    assert!(answers(&world, &second.version.id));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_although_the_host_is_full() {
    let world = World::with(|settings| settings.workers_total_max = 1).await;
    let config = "[realtime]\nworkers = { min = 1, max = 1 }\n";
    let first = world.live(&version(1), config).await;
    assert_eq!(world.answer(&first, "{}").await.unwrap(), "1");
    let second = world.live(&version(2), config).await;
    assert_eq!(world.answer(&second, "{}").await.unwrap(), "2");
    promote(&world, &first.version.id).await;
    world
        .until("the first answers again", async || {
            answers(&world, &first.version.id).then_some(())
        })
        .await;
    assert_eq!(world.answer(&first, "{}").await.unwrap(), "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_own_files_may_be_called_like_pythons() {
    let world = World::new().await;
    let code = "
import onstage as on
import words

@on.predict
def f(ctx: on.Ctx) -> str:
    return words.GREETING + str(ctx.tempdir.is_dir())
";
    let built = world.push_with(code, "", |folder| {
        for name in ["tempfile", "random", "inspect", "types", "signal"] {
            std::fs::write(folder.join(format!("{name}.py")), "x = 1\n").unwrap();
        }
        std::fs::write(folder.join("words.py"), "GREETING = 'hello '\n").unwrap();
    });
    let built = built.await;
    assert!(
        matches!(built.state, VersionState::Ready { .. }),
        "{:?}",
        built.state
    );
    let live = world.engine.loaded(&built.id).await.unwrap();
    assert_eq!(world.answer(&live, "{}").await.unwrap(), "\"hello True\"");
    world.end().await;
}
