//! Tasks with real Python workers: what is printed, rows that kill, code that does not listen.

use super::world::{World, table_job};
use onstage_backends::{
    blobs, bundle,
    process::{LauncherSettings, ProcessLauncher, Purpose},
    store,
};
use onstage_core::{
    batch::{Counts, TableFormat},
    event::EventKind,
    job::{JobOutput, JobState},
    model::{NewVersion, VersionState},
    outcome::Phase,
    ports::Preparing,
    wire::to_worker::Work,
};
use onstage_engine::{
    Parts,
    task::{TaskEnd, run_task},
    worker::{Start, Worker},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const MODEL: &str = r#"
import os, signal, time
import onstage as on

@on.predict
def double(x: float, ctx: on.Ctx) -> float:
    if x == -3:
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
    if x == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if x == 17:
        raise ValueError("no 17")
    ctx.progress(1, 2, "half")
    print("doubling", x)
    return x * 2

@double.many(max=10)
def _(rows):
    answers = []
    for row in rows:
        if row["x"] == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        answers.append(ValueError("no 17") if row["x"] == 17 else row["x"] * 2)
    return answers
"#;

const SINGLE: &str = "\n@double.many";

struct Quiet;

impl Preparing for Quiet {
    fn phase(&self, _: Phase, _: &str) {}
    fn line(&self, _: &str) {}
}

/// A world whose version runs `code` in real workers.
async fn world(code: &str) -> World {
    let mut world = World::new(store::memory(), blobs::memory(), json!({})).await;
    let settings = LauncherSettings {
        data_dir: world.folder.path().to_owned(),
        variables: std::env::vars().collect(),
        purpose: Purpose::Jobs,
    };
    world.parts.launcher =
        Arc::new(ProcessLauncher::new(settings, world.parts.blobs.clone()).unwrap());
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("model.py"), code).unwrap();
    std::fs::write(
        source.path().join("onstage.toml"),
        "[model]\nname = \"age\"\n[jobs]\nlinger = \"10ms\"\n",
    )
    .unwrap();
    let config = bundle::read_config(source.path()).unwrap();
    let packed = bundle::pack(source.path(), &[], &[]).unwrap();
    let name = "lab/age".parse().unwrap();
    let id = bundle::version_id(&name, &packed.contents_digest, &config);
    let bytes = std::fs::read(&packed.archive).unwrap();
    let key = format!("bundles/{id}.tar.gz");
    let new = NewVersion {
        id: id.clone(),
        model: name,
        bundle: world.parts.blobs.put(&key, bytes.into()).await.unwrap(),
        config,
        examples: "[]".into(),
        promote_when_ready: false,
        created_at: world.parts.clock.now(),
        weights: None,
        lineage: None,
    };
    let (version, _) = world.parts.store.add_version(new).await.unwrap();
    let how = Start {
        label: "describing".into(),
        tempdir: world.folder.path().to_owned(),
        describe: true,
        cancel_grace: Duration::from_millis(200),
        environment: Vec::new(),
        work: Work::Predict,
    };
    let worker = Worker::start(&world.parts, &version, &how, &Quiet)
        .await
        .unwrap();
    let schema = worker.schema().unwrap().clone();
    worker.stop(Duration::from_secs(5)).await;
    world
        .parts
        .store
        .set_version_state(
            &id,
            VersionState::Ready {
                schema,
                withdrawn: None,
                environment_sha256: None,
            },
        )
        .await
        .unwrap();
    world.version = id;
    world
}

async fn run(world: &World) -> TaskEnd {
    let parts: Parts = world.parts.clone();
    run_task(parts, world.settings(), CancellationToken::new())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_table_goes_through_python_and_only_the_guilty_rows_fail() {
    let world = world(MODEL).await;
    let table: String = (0..40).fold("x,name\n".to_owned(), |table, x| {
        format!("{table}{x},n{x}\n")
    });
    let id = table_job(&world, &table, TableFormat::Csv).await;
    assert_eq!(run(&world).await, TaskEnd::Idle);
    let job = world.job(&id).await;
    let JobState::Succeeded {
        output: JobOutput::Batch { result, counts, .. },
        ..
    } = job.state
    else {
        panic!("{job:?}")
    };
    assert_eq!(
        counts,
        Counts {
            done: 38,
            failed: 2,
            matched: 0
        }
    );
    let bytes = world.parts.blobs.get(&result).await.unwrap();
    let lines: Vec<&str> = std::str::from_utf8(&bytes).unwrap().lines().collect();
    assert_eq!(lines[0], "x,name,answer,error");
    assert!(lines[6].starts_with("5,n5,10"), "{}", lines[6]);
    assert!(lines[14].contains("SIGKILL"), "{}", lines[14]);
    assert!(lines[18].contains("no 17"), "{}", lines[18]);
    assert_eq!(lines.len(), 41);
}

#[tokio::test]
async fn a_background_prediction_tells_what_it_prints() {
    let world = world(MODEL.split(SINGLE).next().unwrap()).await;
    let id = world.predict(json!({"x": 4.0})).await;
    assert_eq!(run(&world).await, TaskEnd::Idle);
    assert_eq!(world.output(&id).await, json!(8.0));
    let events = world.events(&id).await;
    let has = |kind, text: &str| {
        events
            .iter()
            .any(|event| event.kind == kind && event.data.contains(text))
    };
    assert!(has(EventKind::Log, "doubling 4.0"), "{events:?}");
    assert!(has(EventKind::Progress, "half"), "{events:?}");
}

#[tokio::test]
async fn code_that_does_not_listen_is_killed_and_the_next_job_has_a_new_worker() {
    let world = world(MODEL.split(SINGLE).next().unwrap()).await;
    let deaf = world.predict(json!({"x": -3.0})).await;
    let next = world.predict(json!({"x": 1.0})).await;
    let cancel = async {
        world
            .until(&deaf, |job| job.state.phase() == Phase::Running)
            .await;
        world
            .parts
            .store
            .request_cancel(&deaf, world.parts.clock.now())
            .await
            .unwrap();
    };
    let (end, ()) = tokio::join!(run(&world), cancel);
    assert_eq!(end, TaskEnd::Idle);
    assert_eq!(world.job(&deaf).await.state.name(), "canceled");
    assert_eq!(world.output(&next).await, json!(2.0));
}
