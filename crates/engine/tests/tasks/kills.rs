//! A task killed before and after each of its durable writes: the next one finishes every job, exactly once.

use super::{
    crew::{Act, ScriptCrew},
    cutting::{Cut, CutBlobs, CutStore, Moment, Step},
    world::{World, run},
};
use onstage_backends::{blobs, store};
use onstage_core::{
    Id,
    batch::Chunk,
    event::EventKind,
    job::JobOutput,
    outcome::{Failure, Reason},
};
use onstage_engine::Parts;
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// More than the rows of one chunk, so that there are several.
const ROWS: u64 = 10_500;
/// Every verb with which a task leaves something durable.
const DURABLE_IN_A_TASK: [&str; 7] = [
    "register_task",
    "claim",
    "put",
    "commit_chunk",
    "append_events",
    "finish_all",
    "end_task",
];
/// Answers longer than what rides in a record, so that outputs are blobs.
const LONG_CHARS: usize = 70_000;

fn crew() -> Arc<ScriptCrew> {
    ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(-1) => Act::Answer(format!("\"{}\"", "y".repeat(LONG_CHARS))),
        Some(-2) => Act::Chatter(vec!["hello".into()], "-4".into()),
        Some(x) => Act::Answer((x * 2).to_string()),
        None => Act::Fail(Failure::new(Reason::UserError, "no number")),
    })
}

struct Work {
    long: Id,
    chatty: Id,
    batch: Id,
}

async fn submit(world: &World) -> Work {
    let table: String = (0..ROWS).map(|x| format!("{{\"x\":{x}}}\n")).collect();
    Work {
        long: world.predict(json!({"x": -1})).await,
        chatty: world.predict(json!({"x": -2})).await,
        batch: world
            .batch(&table, |spec| spec.label = Some("x".into()))
            .await,
    }
}

/// Runs a task that dies at the cut, or to its end. Answers its durable writes.
async fn first_life(world: &World, at: Option<(Step, Moment)>) -> (Vec<Step>, bool) {
    let cut = Cut::at(at);
    let parts = Parts {
        store: Arc::new(CutStore(world.parts.store.clone(), cut.clone())),
        blobs: Arc::new(CutBlobs(world.parts.blobs.clone(), cut.clone())),
        ..world.parts.clone()
    };
    let (crew, stop) = (crew(), CancellationToken::new());
    let died = tokio::select! {
        end = run(parts, world.settings(), &crew, &stop) => {
            end.unwrap();
            false
        }
        () = cut.died() => true,
    };
    let steps = cut.steps.lock().unwrap().clone();
    (steps, died)
}

/// What the reaper does once it knows that the task is gone. The task's last beat may still be on its way: then it looks again.
pub(crate) async fn reap(world: &World) {
    let store = &world.parts.store;
    for _look in 0..100 {
        let mut left = 0;
        for running in store.running().await.unwrap() {
            let gone = Failure::new(Reason::WorkerLost, "the task was killed");
            let now = world.parts.clock.now();
            left += usize::from(
                store
                    .expire(&running.lease, running.beat, gone, now)
                    .await
                    .is_err(),
            );
        }
        if left == 0 {
            return;
        }
    }
    panic!("a dead task's lease did not end");
}

async fn check(world: &World, work: &Work, story: &str) {
    assert_eq!(
        world.output(&work.long).await,
        json!("y".repeat(LONG_CHARS)),
        "{story}"
    );
    assert_eq!(world.output(&work.chatty).await, json!(-4), "{story}");
    let (rows, output) = world.result(&work.batch).await;
    let expected = |x: u64| json!({"x": x, "answer": x * 2});
    assert_eq!(rows.len() as u64, ROWS, "{story}");
    assert!(
        rows.iter().zip(0..).all(|(row, x)| *row == expected(x)),
        "{story}"
    );
    let JobOutput::Batch { counts, result, .. } = output else {
        panic!("{story}")
    };
    assert_eq!(
        (counts.done, counts.failed, counts.matched),
        (ROWS, 0, 1),
        "{story}"
    );
    let job = world.job(&work.batch).await;
    assert!(
        result.key.contains(&format!("/run-{}/", job.run)),
        "{story}: {}",
        result.key
    );
    check_chunks(&world.parts.store.chunks(&work.batch).await.unwrap(), story);
    for id in [&work.long, &work.chatty, &work.batch] {
        let job = world.job(id).await;
        assert!(job.run <= 2 && job.attempts == 0, "{story}: {job:?}");
        let events = world.events(id).await;
        let completed = events
            .iter()
            .filter(|event| event.kind == EventKind::Completed)
            .count();
        assert!(completed <= 1, "{story}");
        let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(
            numbers,
            (1..=numbers.len() as u64).collect::<Vec<_>>(),
            "{story}"
        );
    }
}

/// Every row is in exactly one chunk.
fn check_chunks(chunks: &[Chunk], story: &str) {
    let mut next = 0;
    for chunk in chunks {
        assert_eq!((chunk.index, chunk.first_row), (next, next), "{story}");
        next += chunk.rows;
    }
    assert_eq!(next, ROWS, "{story}");
}

async fn world(folder: &std::path::Path, sqlite: bool) -> World {
    let schemas = json!({"Input": {"required": ["x"], "properties": {"x": {"x-order": 0}}}, "Output": {"type": ["integer", "string"]}});
    let schema = json!({"many": {"max": 100}, "components": {"schemas": schemas}});
    let extra = json!({"schema": schema, "jobs": {"linger": "1ms"}});
    let records = match sqlite {
        true => store::sqlite(&folder.join("onstage.db")).await.unwrap(),
        false => store::memory(),
    };
    World::new(records, blobs::memory(), extra).await
}

/// The durable writes of a life that nobody cuts short.
async fn all_steps(sqlite: bool) -> Vec<Step> {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), sqlite).await;
    let work = submit(&world).await;
    let (steps, died) = first_life(&world, None).await;
    assert!(!died);
    check(&world, &work, "uncut").await;
    steps
}

/// Answers the names of the writes at which a task did die.
async fn kill_at(steps: Vec<Step>, sqlite: bool) -> Vec<&'static str> {
    let mut killed = Vec::new();
    for step in steps {
        for moment in [Moment::Before, Moment::After] {
            let folder = tempfile::tempdir().unwrap();
            let world = world(folder.path(), sqlite).await;
            let work = submit(&world).await;
            // How often events are written depends on timing, so a step may not come again.
            let (_, died) = first_life(&world, Some((step, moment))).await;
            if died {
                killed.push(step.0);
            }
            reap(&world).await;
            let (crew, stop) = (crew(), CancellationToken::new());
            run(world.parts.clone(), world.settings(), &crew, &stop)
                .await
                .unwrap();
            check(&world, &work, &format!("killed {moment:?} {step:?}")).await;
        }
    }
    killed
}

#[tokio::test]
async fn killed_at_every_durable_write_every_job_still_ends_once() {
    let steps = all_steps(false).await;
    let killed = kill_at(steps, false).await;
    for name in DURABLE_IN_A_TASK {
        let times = killed.iter().filter(|killed| **killed == name).count();
        assert!(times >= 2, "`{name}` was cut {times} times");
    }
}

#[tokio::test]
async fn killed_at_each_kind_of_write_to_sqlite_every_job_still_ends_once() {
    let steps = all_steps(true).await;
    let firsts = DURABLE_IN_A_TASK.map(|name| steps.iter().copied().rfind(|step| step.0 == name));
    let killed = kill_at(firsts.into_iter().flatten().collect(), true).await;
    assert!(killed.len() >= DURABLE_IN_A_TASK.len(), "{killed:?}");
}
