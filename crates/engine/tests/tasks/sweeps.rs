//! The sweep of left-over blobs, over a store and blobs: which jobs it finds.

use super::world::{World, world};
use onstage_core::{
    Id, Timestamp,
    job::{JobOutput, JobSpec, NewJob},
    lifecycle::{RetryPolicy, RunEnd},
    outcome::{Failure, Reason},
    task::Incarnation,
    value::Stored,
};
use onstage_engine::reaper::Sweeper;
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

/// A job whose first run was lost and whose second one won; it ended at `end`.
async fn ran_twice(world: &World, id: &str, end: Timestamp) {
    let (store, id): (_, Id) = (&world.parts.store, id.parse().unwrap());
    let before = |hours: i64| Timestamp(end.0 - hours * HOUR_MS);
    let me = Incarnation("task-1".to_owned());
    let new = NewJob {
        urgency: Default::default(),
        webhook: None,
        id: id.clone(),
        model: "lab/age".parse().unwrap(),
        version: world.version.clone(),
        version_number: 1,
        spec: JobSpec::Prediction {
            input: Stored::Inline("{}".to_owned()),
            datasets: Vec::new(),
        },
        by: "person-1".parse().unwrap(),
        source: "api".to_owned(),
        created_at: before(4),
        claimed_by: Some(me.clone()),
        idempotency: None,
    };
    let job = store.submit(new).await.unwrap().job;
    let lost = Failure::new(Reason::WorkerLost, "gone");
    let lease = job.lease().unwrap();
    store.expire(&lease, 0, lost, before(3)).await.unwrap();
    let again = store.claim(&world.version, &me, 1, before(1)).await;
    let lease = again.unwrap()[0].lease().unwrap();
    assert_eq!((&lease.job, lease.run), (&id, 2));
    let won = RunEnd::Succeeded(JobOutput::Prediction {
        output: Stored::Inline("1".to_owned()),
        predict_ms: 1,
    });
    let policy = RetryPolicy {
        retries: 0,
        retry_on: Vec::new(),
    };
    store.finish(&lease, won, &policy, 0.0, end).await.unwrap();
    for run in [1, 2] {
        let key = format!("jobs/{id}/run-{run}/output.json");
        world.parts.blobs.put(&key, "x".into()).await.unwrap();
    }
}

async fn left(world: &World, id: &str) -> usize {
    let keys = world.parts.blobs.list(&format!("jobs/{id}/")).await;
    keys.unwrap().len()
}

#[tokio::test]
async fn settled_jobs_are_swept_once_whatever_their_ids() {
    let world = world(json!({})).await;
    let now = world.parts.clock.now();
    let ago = |hours: i64| Timestamp(now.0 - hours * HOUR_MS);
    // An id that a client chose sorts above every one of ours, and this job is older than a sweep looks back.
    ran_twice(&world, "zzzzzzzz-mine", ago(20 * 24)).await;
    ran_twice(&world, "0settled", ago(5)).await;
    ran_twice(&world, "1running-till-now", ago(0)).await;
    let mut sweeper = Sweeper::new(world.parts.clone());
    assert_eq!(sweeper.sweep().await.unwrap(), 1);
    for (id, blobs) in [
        ("zzzzzzzz-mine", 2),
        ("0settled", 1),
        ("1running-till-now", 2),
    ] {
        assert_eq!(left(&world, id).await, blobs, "{id}");
    }
    // One that became known late, within the overlap, is found by the next sweep.
    ran_twice(&world, "2late-one", Timestamp(ago(1).0 - 1)).await;
    assert_eq!(sweeper.sweep().await.unwrap(), 1);
    assert_eq!(sweeper.sweep().await.unwrap(), 0);
}
