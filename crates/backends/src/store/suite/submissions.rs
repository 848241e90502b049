//! Cases for submitting jobs and for idempotency keys.
//! Each starts with an empty store.

use super::make::{at, blob, id, keyed, kind_of, new_job, owner};
use onstage_core::{
    Kind,
    batch::{BatchSpec, TableFormat},
    job::{Idempotency, JobSpec, JobState, NewJob},
    lifecycle,
    ports::Store,
};
use std::collections::HashSet;

fn key(key: &str, body: &str) -> Idempotency {
    keyed("any", key, body).idempotency.unwrap()
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) async fn a_job_comes_back_as_it_was_submitted(store: &dyn Store) {
    let batch = JobSpec::Batch(BatchSpec {
        table: blob("tables/1"),
        table_name: "fish.csv".to_owned(),
        format: TableFormat::Csv,
        dataset: None,
        map: [("n".to_owned(), "N".to_owned())].into(),
        label: Some("true".to_owned()),
        limit_rows: Some(10),
        only_rows_of: None,
        files: None,
    });
    for new in [
        new_job("1"),
        NewJob {
            id: id("2"),
            spec: batch,
            ..new_job("2")
        },
    ] {
        let submitted = store.submit(new.clone()).await.unwrap();
        assert!(submitted.new);
        assert_eq!(submitted.job, lifecycle::submitted(new));
        assert_eq!(
            store.job(&submitted.job.id).await.unwrap(),
            Some(submitted.job)
        );
    }
    assert_eq!(store.job(&id("none")).await.unwrap(), None);
}

pub(super) async fn a_job_submitted_running_is_leased_at_once(store: &dyn Store) {
    let new = NewJob {
        claimed_by: Some(owner("front")),
        ..new_job("1")
    };
    let job = store.submit(new).await.unwrap().job;
    let lease = job.lease().unwrap();
    assert_eq!((lease.run, lease.owner.0.as_str()), (1, "front"));
    let beaten = store.beat(&lease, super::make::beat()).await.unwrap();
    assert!(!beaten);
    assert!(
        store
            .claim(&job.version, &owner("me"), 9, at(999))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn the_same_key_and_body_is_the_same_job(store: &dyn Store) {
    let first = store.submit(keyed("1", "key", "body")).await.unwrap();
    let again = store.submit(keyed("2", "key", "body")).await.unwrap();
    assert!(first.new && !again.new);
    assert_eq!(again.job, first.job);
    assert_eq!(store.job(&id("2")).await.unwrap(), None);
    let known = store.submission(&key("key", "body"), at(101)).await;
    assert_eq!(known.unwrap(), Some(first.job));
    let other = store.submission(&key("other", "body"), at(101)).await;
    assert_eq!(other.unwrap(), None);
    store.request_cancel(&id("1"), at(200)).await.unwrap();
    let later = store.submit(keyed("3", "key", "body")).await.unwrap();
    assert_eq!(
        later.job.state,
        JobState::Canceled {
            completed_at: at(200)
        }
    );
}

pub(super) async fn the_same_key_and_another_body_is_refused(store: &dyn Store) {
    store.submit(keyed("1", "key", "body")).await.unwrap();
    let other = store.submit(keyed("2", "key", "other")).await;
    assert_eq!(kind_of(other), Kind::Conflict);
    assert_eq!(store.job(&id("2")).await.unwrap(), None);
    let asked = store.submission(&key("key", "other"), at(101)).await;
    assert_eq!(kind_of(asked), Kind::Conflict);
}

pub(super) async fn keys_of_two_scopes_do_not_meet(store: &dyn Store) {
    store.submit(keyed("1", "key", "body")).await.unwrap();
    let mut other = keyed("2", "key", "other");
    other.idempotency.as_mut().unwrap().scope = "somebody else".to_owned();
    assert!(store.submit(other).await.unwrap().new);
    assert!(
        store
            .submit(keyed("3", "key 2", "other"))
            .await
            .unwrap()
            .new
    );
}

pub(super) async fn a_key_is_forgotten_after_a_day(store: &dyn Store) {
    store.submit(keyed("1", "key", "body")).await.unwrap();
    let within = NewJob {
        created_at: at(100 + DAY_MS - 1),
        ..keyed("2", "key", "other")
    };
    assert_eq!(kind_of(store.submit(within).await), Kind::Conflict);
    let other = key("key", "other");
    let forgotten = store.submission(&other, at(100 + DAY_MS)).await;
    assert_eq!(forgotten.unwrap(), None);
    let after = NewJob {
        created_at: at(100 + DAY_MS),
        ..keyed("3", "key", "other")
    };
    assert!(store.submit(after).await.unwrap().new);
    let again = NewJob {
        created_at: at(101 + DAY_MS),
        ..keyed("4", "key", "other")
    };
    assert_eq!(store.submit(again).await.unwrap().job.id, id("3"));
}

pub(super) async fn many_submissions_of_one_key_make_one_job(store: &dyn Store) {
    let submit = |place: u32| store.submit(keyed(&place.to_string(), "key", "body"));
    let all = futures::future::join_all((0..20).map(submit)).await;
    let all: Vec<_> = all.into_iter().map(|one| one.unwrap()).collect();
    assert_eq!(all.iter().filter(|one| one.new).count(), 1);
    let ids: HashSet<_> = all.iter().map(|one| one.job.id.clone()).collect();
    assert_eq!(ids.len(), 1);
    let jobs = store
        .jobs(&Default::default(), super::make::page(50))
        .await
        .unwrap()
        .rows;
    assert_eq!(jobs.len(), 1);
}

pub(super) async fn many_submissions_at_once_are_all_kept(store: &dyn Store) {
    let submit = |place: u32| async move {
        // Every fifth is refused; that must not touch the others of its commit.
        let name = if place.is_multiple_of(5) {
            "same".to_owned()
        } else {
            place.to_string()
        };
        store.submit(new_job(&name)).await
    };
    let all = futures::future::join_all((0..300).map(submit)).await;
    let refused = all.iter().filter(|one| one.is_err()).count();
    assert_eq!(refused, 59, "of 60 with one id, one is the first");
    let jobs = store
        .jobs(&Default::default(), super::make::page(500))
        .await
        .unwrap()
        .rows;
    assert_eq!(jobs.len(), 241);
    for submitted in all.into_iter().flatten() {
        assert_eq!(
            store.job(&submitted.job.id).await.unwrap(),
            Some(submitted.job)
        );
    }
}

pub(super) async fn the_same_id_is_refused(store: &dyn Store) {
    let first = store.submit(new_job("1")).await.unwrap().job;
    let other = NewJob {
        source: "cli".to_owned(),
        ..keyed("1", "key", "body")
    };
    assert_eq!(kind_of(store.submit(other).await), Kind::Conflict);
    assert_eq!(store.job(&id("1")).await.unwrap(), Some(first));
    assert!(
        store
            .submit(keyed("2", "key", "another body"))
            .await
            .unwrap()
            .new,
        "a refused submission leaves no key"
    );
}
