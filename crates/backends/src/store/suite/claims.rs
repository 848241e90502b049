//! Cases for claiming jobs.
//! Each starts with an empty store.

use super::make::{at, id, ids, new_job, owner, policy, version};
use onstage_core::{
    job::{JobState, NewJob},
    lifecycle::RunEnd,
    outcome::{Failure, Reason},
    ports::Store,
};
use std::collections::HashSet;

pub(super) async fn due_jobs_are_claimed_oldest_first(store: &dyn Store) {
    for (text, created) in [("1", 30), ("2", 10), ("4", 20), ("3", 20)] {
        store
            .submit(NewJob {
                created_at: at(created),
                ..new_job(text)
            })
            .await
            .unwrap();
    }
    let first = store
        .claim(&version("v-one"), &owner("me"), 3, at(100))
        .await
        .unwrap();
    let wanted: Vec<String> = ["2", "3", "4"].map(|text| id(text).to_string()).into();
    assert_eq!(ids(first.iter().map(|job| &job.id)), wanted);
    for job in &first {
        assert_eq!((job.run, job.started_at), (1, Some(at(100))));
        assert!(
            matches!(&job.state, JobState::Running { owner: by, beat: 0, .. } if *by == owner("me"))
        );
        assert_eq!(store.job(&job.id).await.unwrap().as_ref(), Some(job));
    }
    let rest = store
        .claim(&version("v-one"), &owner("me"), 3, at(100))
        .await
        .unwrap();
    assert_eq!(ids(rest.iter().map(|job| &job.id)), [id("1").to_string()]);
    assert!(
        store
            .claim(&version("v-one"), &owner("me"), 3, at(100))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn a_job_is_not_claimed_before_its_time(store: &dyn Store) {
    let lease = super::make::claimed(store, "1").await;
    let end = RunEnd::Failed(Failure::new(Reason::Timeout, "too slow"));
    let job = store
        .finish(&lease, end, &policy(), 0.5, at(1_000))
        .await
        .unwrap();
    assert_eq!(
        job.state,
        JobState::Queued {
            not_before: at(1_500)
        }
    );
    let claim = async |now| {
        store
            .claim(&version("v-one"), &owner("me"), 1, at(now))
            .await
            .unwrap()
    };
    assert!(claim(1_499).await.is_empty());
    let again = claim(1_500).await;
    assert_eq!(
        (again[0].run, again[0].attempts, again[0].history.len()),
        (2, 1, 1)
    );
}

pub(super) async fn only_jobs_of_the_version_are_claimed(store: &dyn Store) {
    store.submit(new_job("1")).await.unwrap();
    assert!(
        store
            .claim(&version("v-two"), &owner("me"), 9, at(999))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .claim(&version("v-one"), &owner("me"), 0, at(999))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store
            .claim(&version("v-one"), &owner("me"), 9, at(999))
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(super) async fn concurrent_claims_get_each_job_once(store: &dyn Store) {
    const JOBS: u32 = 60;
    for place in 0..JOBS {
        store.submit(new_job(&place.to_string())).await.unwrap();
    }
    let claimer = |who: u32| async move {
        let mut mine = Vec::new();
        loop {
            let limit = 1 + who % 3;
            let me = owner(&format!("task {who}"));
            let jobs = store
                .claim(&version("v-one"), &me, limit, at(200))
                .await
                .unwrap();
            assert!(jobs.len() <= limit as usize);
            assert!(
                jobs.iter()
                    .all(|job| job.run == 1 && job.lease().unwrap().owner == me)
            );
            if jobs.is_empty() {
                return mine;
            }
            mine.extend(jobs.into_iter().map(|job| job.id));
        }
    };
    let claimed = futures::future::join_all((0..10).map(claimer))
        .await
        .concat();
    let different: HashSet<_> = claimed.iter().collect();
    assert_eq!(
        (claimed.len(), different.len()),
        (JOBS as usize, JOBS as usize)
    );
}
