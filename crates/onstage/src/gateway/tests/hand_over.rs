//! Predictions at the wait limit: a job is made of one whoever is still there.

use super::{
    predictions::{PATH, THING},
    world::World,
};
use onstage_core::{
    job::{Job, JobState},
    ports::Page,
};
use serde_json::json;
use std::{pin::pin, time::Duration};

/// Longer than a commit takes, mostly.
const COMMIT: Duration = Duration::from_millis(50);
const TRIES_MAX: usize = 50;

async fn newest(world: &World) -> Option<Job> {
    let page = Page {
        after: None,
        limit: 1,
    };
    let jobs = world.parts.store.jobs(&Default::default(), page).await;
    jobs.unwrap().rows.pop()
}

/// Asks and goes away when the job is committed and the answer not yet told; none when that was missed.
async fn left_behind(world: &World) -> Option<Job> {
    let before = newest(world).await.map(|job| job.id);
    let ask = world.post(PATH).header("prefer", "wait=0");
    let mut answer = pin!(ask.json(&json!({"input": {"n": 4, "wait": 1}})).send());
    loop {
        if futures::poll!(&mut answer).is_ready() {
            return None;
        }
        tokio::time::sleep(COMMIT).await;
        let job = newest(world).await;
        if let Some(job) = job.filter(|job| Some(&job.id) != before.as_ref()) {
            return Some(job);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_the_job_is_committed_leaves_no_job_to_nobody() {
    let world = World::on_disk().await;
    world.live("lab/thing", THING).await;
    let mut left = None;
    for _ in 0..TRIES_MAX {
        left = left_behind(&world).await;
        if left.is_some() {
            break;
        }
    }
    let left = left.expect("the commit was seen before the answer");
    let ended = world
        .until("the front that runs it ends the job", async || {
            let job = world.parts.store.job(&left.id).await.unwrap().unwrap();
            job.state.is_final().then_some(job)
        })
        .await;
    assert!(
        matches!(ended.state, JobState::Succeeded { .. }),
        "{ended:?}"
    );
    assert_eq!((ended.run, ended.history.len()), (1, 0));
}
