//! Batch jobs whose rows several tasks share: each row is answered once, whoever dies, and few rows ask for nobody.

use super::{
    crew::{Act, ScriptCrew},
    world::{World, run, world},
};
use onstage_core::{
    Id,
    job::Lease,
    outcome::{Failure, Reason},
    ports::RunningJob,
    usage::UsageKind,
};
use onstage_engine::{dispatch, task::TaskEnd};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Milliseconds that a row takes; all rows take one task about seven seconds.
const ROW_MS: u64 = 5;
const ROWS: u64 = 1_400;

fn table(rows: u64) -> String {
    (0..rows).map(|x| format!("{{\"x\":{x}}}\n")).collect()
}

async fn shared_world() -> World {
    let schemas = json!({"Input": {"required": ["x"], "properties": {"x": {"x-order": 0}}}, "Output": {"type": "number"}});
    let schema = json!({"many": {"max": 8}, "components": {"schemas": schemas}});
    world(json!({"jobs": {"tasks": 3, "linger": "1500ms"}, "schema": schema})).await
}

fn double(input: &Value) -> Act {
    let x = input["x"].as_u64().unwrap();
    Act::Later(ROW_MS, (x * 2).to_string())
}

async fn one_task(world: &World, crew: &Arc<ScriptCrew>) -> TaskEnd {
    let stop = CancellationToken::new();
    let run = run(world.parts.clone(), world.settings(), crew, &stop);
    run.await.unwrap()
}

/// The leases of those who help with the job.
async fn helpers(world: &World, id: &Id) -> Vec<RunningJob> {
    let own = world.job(id).await.lease();
    let mut running = world.parts.store.running().await.unwrap();
    running.retain(|one| one.lease.job == *id && Some(&one.lease) != own.as_ref());
    running
}

/// Waits until a helper has committed something and computes on.
async fn until_helped(world: &World, id: &Id) -> RunningJob {
    loop {
        let shares = world.parts.store.shares(id).await.unwrap();
        let busy = shares.filter(|shares| shares.helped.done > 0);
        let helpers = helpers(world, id).await;
        let computes = |one: &&RunningJob| {
            let has = |share: &onstage_core::shares::Share| share.owner == one.lease.owner;
            busy.as_ref()
                .is_some_and(|shares| shares.taken.iter().any(has))
        };
        if let Some(helper) = helpers.iter().find(computes) {
            return helper.clone();
        }
        assert!(!world.job(id).await.state.is_final(), "nobody helped");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn check(world: &World, id: &Id) {
    let (rows, _) = world.result(id).await;
    assert_eq!(rows.len() as u64, ROWS);
    for (x, row) in rows.iter().enumerate() {
        assert_eq!((&row["x"], &row["answer"]), (&json!(x), &json!(x * 2)));
    }
    let mut next = 0;
    for chunk in world.parts.store.chunks(id).await.unwrap() {
        assert_eq!(chunk.first_row, next, "every row in one chunk");
        next += chunk.rows;
    }
    assert_eq!(next, ROWS);
    assert_eq!(world.parts.store.shares(id).await.unwrap(), None);
}

#[tokio::test]
async fn many_tasks_answer_every_row_once() {
    let world = shared_world().await;
    let id = world.batch(&table(ROWS), |_| {}).await;
    let crew = ScriptCrew::new(double);
    tokio::join!(
        one_task(&world, &crew),
        one_task(&world, &crew),
        one_task(&world, &crew)
    );
    check(&world, &id).await;
    assert_eq!(crew.starts.load(Ordering::SeqCst), 3, "all had a part");
    let job = world.job(&id).await;
    assert_eq!((job.run, job.history.len()), (1, 0));
    let progress = job.progress.unwrap();
    assert_eq!(progress.total, Some(ROWS as f64));
    let chunks = world.parts.store.chunks(&id).await.unwrap();
    let marks: BTreeSet<&str> = chunks
        .iter()
        .filter_map(|chunk| chunk.blob.key.split("task-").nth(1))
        .collect();
    assert_eq!(marks.len(), 2, "two helpers committed chunks");
    assert_eq!(
        world.used(UsageKind::Batch).await.runs,
        ROWS,
        "all of them count"
    );
}

#[tokio::test]
async fn the_rows_of_a_helper_that_dies_are_computed_by_others() {
    let world = shared_world().await;
    let id = world.batch(&table(ROWS), |_| {}).await;
    let crew = ScriptCrew::new(double);
    let victim = AtomicBool::new(false);
    let helper = async {
        tokio::select! {
            _ = one_task(&world, &crew) => panic!("it is killed before"),
            lease = until_helped(&world, &id) => {
                victim.store(true, Ordering::SeqCst);
                lease
            }
        }
    };
    let reaped = async {
        // The one that was killed may be the job's own run; then a new one goes on.
        let gone = helper.await;
        tokio::task::yield_now().await;
        let seen = helpers(&world, &id).await;
        let now = seen.iter().find(|one| one.lease == gone.lease);
        let beat = now.unwrap_or(&gone).beat;
        let lost = Failure::new(Reason::WorkerLost, "it was killed");
        let now = world.parts.clock.now();
        let store = &world.parts.store;
        store.expire(&gone.lease, beat, lost, now).await.unwrap();
        assert!(late_write(&world, &gone.lease).await, "it may not write");
    };
    // The first to claim has the job.
    let main = one_task(&world, &crew);
    let late = async {
        world.until(&id, |job| job.lease().is_some()).await;
        Box::pin(reaped).await;
    };
    tokio::join!(main, late);
    assert!(victim.load(Ordering::SeqCst));
    check(&world, &id).await;
    assert_eq!(world.job(&id).await.run, 1, "the run itself went on");
}

/// Whether a beat under this lease is refused.
async fn late_write(world: &World, lease: &Lease) -> bool {
    let beat = onstage_core::lifecycle::Beat {
        phase: onstage_core::outcome::Phase::Running,
        progress: None,
    };
    world.parts.store.beat(lease, beat).await.is_err()
}

#[tokio::test]
async fn a_cancel_stops_all_who_compute() {
    let world = shared_world().await;
    let id = world.batch(&table(10 * ROWS), |_| {}).await;
    let crew = ScriptCrew::new(double);
    let cancel = async {
        until_helped(&world, &id).await;
        let now = world.parts.clock.now();
        world.parts.store.request_cancel(&id, now).await.unwrap();
    };
    tokio::join!(one_task(&world, &crew), one_task(&world, &crew), cancel);
    assert_eq!(world.job(&id).await.state.name(), "canceled");
    assert!(world.parts.store.running().await.unwrap().is_empty());
}

#[tokio::test]
async fn few_rows_ask_for_no_more_tasks() {
    let world = shared_world().await;
    let id = world.batch(&table(60), |_| {}).await;
    let crew = ScriptCrew::new(double);
    let watch = async {
        let mut helped = 0;
        while !world.job(&id).await.state.is_final() {
            let demand = world.parts.store.demand(world.parts.clock.now());
            helped += demand
                .await
                .unwrap()
                .iter()
                .map(|one| one.help)
                .sum::<u64>();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        helped
    };
    let (_, _, helped) = tokio::join!(one_task(&world, &crew), one_task(&world, &crew), watch);
    assert_eq!(helped, 0);
    assert_eq!(crew.starts.load(Ordering::SeqCst), 1);
    assert_eq!(world.result(&id).await.0.len(), 60);
}

#[tokio::test]
async fn a_helper_goes_when_another_job_waits() {
    let world = shared_world().await;
    let id = world.batch(&table(ROWS), |_| {}).await;
    let crew = ScriptCrew::new(double);
    let other = async {
        until_helped(&world, &id).await;
        let other = world.predict(json!({"x": 4})).await;
        world.until(&other, |job| job.state.is_final()).await;
        assert!(
            !world.job(&id).await.state.is_final(),
            "it did not wait for the table"
        );
        other
    };
    let (_, _, other) = tokio::join!(one_task(&world, &crew), one_task(&world, &crew), other);
    assert_eq!(world.output(&other).await, json!(8));
    check(&world, &id).await;
}

#[test]
fn dispatch_starts_tasks_that_help() {
    use onstage_core::{Timestamp, model::VersionId, ports::Demand};
    let version = VersionId("v".into());
    let demand = |queued, help| Demand {
        version: version.clone(),
        lane: onstage_core::task::Lane::Jobs,
        queued,
        running: 1,
        help,
        helpers: 0,
        oldest_queued_at: (queued > 0).then_some(Timestamp(1)),
    };
    let needs = dispatch::Needs {
        tasks_max: 4,
        memory_bytes: None,
        cpu: None,
        gpu: None,
        stop_after: Duration::from_secs(60),
    };
    let standing = [(version.clone(), dispatch::Standing::Ready(needs))].into();
    let running = [onstage_core::ports::Running {
        id: "task-00001".parse().unwrap(),
        version: version.clone(),
        lane: onstage_core::task::Lane::Jobs,
        gpus: None,
        state: onstage_core::ports::RunState::Alive,
    }];
    let starts = |one| {
        let backoffs = dispatch::Backoffs::default();
        let plan = dispatch::plan(&[one], &running, &standing, &backoffs, 8, Duration::ZERO);
        plan.starts.len()
    };
    assert_eq!(starts(demand(0, 0)), 0);
    assert_eq!(starts(demand(0, 2)), 2);
    assert_eq!(starts(demand(0, 9)), 3, "as many as the model allows");
    assert_eq!(starts(demand(1, 1)), 2);
}
