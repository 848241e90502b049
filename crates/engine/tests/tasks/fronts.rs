//! Dispatch and the reaper as loops: against a store, with a driver that follows a script.

use super::world::{World, world};
use async_trait::async_trait;
use onstage_core::{
    Id, Result,
    batch::Chunk,
    job::{JobState, Lease},
    lifecycle::{Beat, RetryPolicy, RunEnd},
    model::VersionState,
    outcome::{Failure, Phase, Reason},
    ports::{Capabilities, Driver, RunState, Running, TaskSpec},
    task::{Incarnation, Lane, Task},
    value::BlobRef,
};
use onstage_engine::{
    Parts,
    dispatch::{self, Dispatch, Look},
    reaper::{self, Reaper},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Default)]
struct ScriptDriver {
    tasks: Mutex<Vec<Running>>,
}

#[async_trait]
impl Driver for ScriptDriver {
    async fn start(&self, spec: &TaskSpec) -> Result<()> {
        self.tasks.lock().unwrap().push(Running {
            id: spec.id.clone(),
            version: spec.version.clone(),
            lane: spec.lane,
            gpus: spec.gpus.clone(),
            state: RunState::Alive,
        });
        Ok(())
    }

    async fn stop(&self, _id: &Id, _grace: Duration) -> Result<()> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Running>> {
        Ok(self.tasks.lock().unwrap().clone())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { sees_deaths: true }
    }
}

impl ScriptDriver {
    fn ids(&self) -> Vec<Id> {
        let tasks = self.tasks.lock().unwrap();
        tasks.iter().map(|task| task.id.clone()).collect()
    }

    fn end(&self, how: &str) {
        for task in self.tasks.lock().unwrap().iter_mut() {
            task.state = RunState::Ended(how.to_owned());
        }
    }
}

fn dispatch(world: &World, driver: &Arc<ScriptDriver>) -> Dispatch {
    let settings = dispatch::Settings {
        incarnation: me(),
        tasks_total_max: 4,
    };
    Dispatch::new(world.parts.clone(), driver.clone(), settings)
}

fn me() -> Incarnation {
    Incarnation("this-front".into())
}

/// A task that registered under the driver's id and claimed everything.
async fn claim_as(world: &World, id: &Id, incarnation: &str) -> Vec<Lease> {
    let incarnation = Incarnation(incarnation.into());
    let task = Task {
        id: id.clone(),
        version: world.version.clone(),
        incarnation: incarnation.clone(),
        host: "here".into(),
        pid: 1,
        started_at: world.parts.clock.now(),
        ended_at: None,
        end: None,
        beat: 0,
    };
    world.parts.store.register_task(task).await.unwrap();
    let now = world.parts.clock.now();
    let jobs = world
        .parts
        .store
        .claim(&world.version, &incarnation, 100, now)
        .await
        .unwrap();
    jobs.iter().map(|job| job.lease().unwrap()).collect()
}

#[tokio::test]
async fn dispatch_starts_one_task_for_waiting_work_and_another_when_that_died() {
    let world = world(json!({})).await;
    let driver = Arc::new(ScriptDriver::default());
    let mut dispatch = dispatch(&world, &driver);
    dispatch.turn().await.unwrap();
    assert!(driver.ids().is_empty());
    world.predict(json!({"x": 1})).await;
    dispatch.turn().await.unwrap();
    dispatch.turn().await.unwrap();
    assert_eq!(driver.ids().len(), 1);
    driver.end("exit code 0");
    dispatch.turn().await.unwrap();
    assert_eq!(driver.ids().len(), 2);
    // That one dies at once: the next start waits.
    driver.end("killed by signal 9");
    dispatch.turn().await.unwrap();
    assert_eq!(driver.ids().len(), 2);
}

#[tokio::test]
async fn a_job_that_was_put_off_is_looked_for_when_it_is_due() {
    let world = world(json!({})).await;
    let driver = Arc::new(ScriptDriver::default());
    let mut dispatch = dispatch(&world, &driver);
    let rests = Look::Idle { due_in: None };
    assert_eq!(dispatch.turn().await.unwrap(), rests);
    world.predict(json!({"x": 1})).await;
    let lease = claim_as(&world, &"task-0001".parse().unwrap(), "somebody").await[0].clone();
    assert_eq!(dispatch.turn().await.unwrap(), Look::Busy);
    let failed = RunEnd::Failed(Failure::new(Reason::Timeout, "it took too long"));
    let policy = RetryPolicy {
        retries: 1,
        retry_on: vec![Reason::Timeout],
    };
    let hour = Duration::from_secs(3_600);
    let in_an_hour = world.parts.clock.now().plus(hour);
    let store = &world.parts.store;
    store
        .finish(&lease, failed, &policy, 1.0, in_an_hour)
        .await
        .unwrap();
    let Look::Idle {
        due_in: Some(due_in),
    } = dispatch.turn().await.unwrap()
    else {
        panic!("nothing is due yet");
    };
    assert!(hour / 2 < due_in && due_in < hour * 2, "{due_in:?}");
}

#[tokio::test]
async fn jobs_of_a_deleted_version_fail_with_the_reason() {
    let world = world(json!({})).await;
    let id = world.predict(json!({"x": 1})).await;
    let store = &world.parts.store;
    store
        .set_version_state(&world.version, VersionState::Deleted)
        .await
        .unwrap();
    let driver = Arc::new(ScriptDriver::default());
    dispatch(&world, &driver).turn().await.unwrap();
    assert!(driver.ids().is_empty());
    let job = world.job(&id).await;
    let JobState::Failed { failure, .. } = &job.state else {
        panic!("{job:?}")
    };
    assert_eq!(failure.reason, Reason::SetupFailed);
    assert!(
        failure
            .message
            .contains("version 1 of `lab/age` was deleted"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn jobs_of_a_task_that_died_run_again_at_the_next_look() {
    let mut world = world(json!({})).await;
    let driver = Arc::new(ScriptDriver::default());
    world.parts.driver = Some(driver.clone());
    let (dead, alive) = (world.predict(json!({"x": 1})).await, "task-alive");
    driver.start(&spec(&world, "task-0001")).await.unwrap();
    let leases = claim_as(&world, &"task-0001".parse().unwrap(), "incarnation-1").await;
    let other = world.predict(json!({"x": 2})).await;
    claim_as(&world, &"task-0002".parse().unwrap(), alive).await;
    let mut reaper = Reaper::new(world.parts.clone(), reaper::Settings::default());
    assert_eq!(reaper.turn().await.unwrap(), 0);
    driver.end("killed by signal 9");
    assert_eq!(reaper.turn().await.unwrap(), 1);
    let job = world.job(&dead).await;
    assert_eq!(
        (job.state.name(), job.restarts, job.attempts),
        ("queued", 1, 0)
    );
    assert!(
        job.history[0]
            .failure
            .message
            .contains("killed by signal 9")
    );
    assert_eq!(world.job(&other).await.state.name(), "running");
    let said = Beat {
        phase: Phase::Running,
        progress: None,
    };
    assert!(world.parts.store.beat(&leases[0], said).await.is_err());
    assert_eq!(reaper.turn().await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_former_front_had_adopted_runs_again_and_our_own_goes_on() {
    let world = world(json!({})).await;
    let theirs = world.predict(json!({"x": 1})).await;
    let old = Incarnation("former-front".into());
    let now = world.parts.clock.now();
    world
        .parts
        .store
        .claim(&world.version, &old, 1, now)
        .await
        .unwrap();
    let running = world.predict(json!({"x": 3})).await;
    let task = Incarnation("task-1".into());
    let now = world.parts.clock.now();
    world
        .parts
        .store
        .claim(&world.version, &task, 1, now)
        .await
        .unwrap();
    let ours = world.predict(json!({"x": 2})).await;
    world
        .parts
        .store
        .claim(&world.version, &me(), 1, world.parts.clock.now())
        .await
        .unwrap();
    let settings = reaper::Settings {
        sole_front: Some(me()),
    };
    let mut reaper = Reaper::new(world.parts.clone(), settings);
    assert_eq!(reaper.turn().await.unwrap(), 1);
    assert_eq!(world.job(&theirs).await.state.name(), "queued");
    assert_eq!(world.job(&ours).await.state.name(), "running");
    assert_eq!(world.job(&running).await.state.name(), "running");
}

#[tokio::test]
async fn ended_tasks_are_found_however_many_came_after() {
    let mut world = world(json!({})).await;
    let driver = Arc::new(ScriptDriver::default());
    world.parts.driver = Some(driver.clone());
    let id = world.predict(json!({"x": 1})).await;
    driver.start(&spec(&world, "task-0001")).await.unwrap();
    claim_as(&world, &"task-0001".parse().unwrap(), "incarnation-1").await;
    for number in 0..450 {
        let later = format!("task-1{number:04}").parse().unwrap();
        claim_as(&world, &later, &format!("later-{number}")).await;
    }
    driver.end("exit code 3");
    let mut reaper = Reaper::new(world.parts.clone(), reaper::Settings::default());
    assert_eq!(reaper.turn().await.unwrap(), 1);
    assert_eq!(world.job(&id).await.state.name(), "queued");
}

fn spec(world: &World, id: &str) -> TaskSpec {
    TaskSpec {
        id: id.parse().unwrap(),
        version: world.version.clone(),
        lane: Lane::Jobs,
        memory_bytes: None,
        cpu: None,
        gpus: None,
        stop_after: Duration::from_secs(1),
    }
}

#[tokio::test]
async fn only_what_no_record_points_at_is_swept() {
    let world = world(json!({})).await;
    let id = world.batch("{}", |_| {}).await;
    let parts: &Parts = &world.parts;
    let keys: Vec<String> = [
        "run-1/chunk-0.jsonl",
        "run-1/chunk-0/row-3/file-0",
        "run-1/chunk-1.jsonl",
        "run-1/chunk-10.jsonl",
        "run-2/chunk-1.jsonl",
        "run-2/result.jsonl",
        "input",
        "run-2/chunk-20.task-9.jsonl",
        "run-2/checkpoint-3.tar",
        "run-2/weights",
    ]
    .iter()
    .map(|name| format!("jobs/{id}/{name}"))
    .collect();
    let blob = |key: &str| BlobRef {
        key: key.to_owned(),
        size_bytes: 1,
        sha256: String::new(),
    };
    let chunk = |index, key: &str, run| Chunk {
        index,
        first_row: 0,
        rows: 1,
        counts: Default::default(),
        blob: blob(key),
        run,
    };
    let chunks = [chunk(0, &keys[0], 1), chunk(1, &keys[4], 2)];
    assert_eq!(
        reaper::sweep_list(&id, 2, &chunks, &keys),
        [2, 3, 7, 8].map(|place: usize| keys[place].clone())
    );
    assert_eq!(parts.blobs.list("jobs/").await.unwrap().len(), 0);
}
