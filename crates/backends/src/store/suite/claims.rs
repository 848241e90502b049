//! Cases for claiming jobs.
//! Each starts with an empty store.

use super::make::{at, id, ids, new_job, owner, policy, put_off, version};
use onstage_core::{
    fair::Urgency,
    job::{JobState, NewJob},
    lifecycle::RunEnd,
    outcome::{Failure, Reason},
    ports::Store,
};
use std::collections::HashSet;

/// The clock of its task may be behind the one of the front that took it in, and any clock may be set back.
pub(super) async fn a_job_that_waits_for_nothing_is_due_by_every_clock(store: &dyn Store) {
    let new = NewJob {
        created_at: at(90_000),
        ..new_job("1")
    };
    store.submit(new).await.unwrap();
    let claim = async || {
        store
            .claim(&version("v-one"), &owner("me"), 1, at(100))
            .await
            .unwrap()
    };
    assert_eq!(store.demand(at(100)).await.unwrap()[0].queued, 1);
    let lease = claim().await[0].lease().unwrap();
    let failure = Failure::new(Reason::WorkerLost, "it went away");
    store.expire(&lease, 0, failure, at(90_000)).await.unwrap();
    assert_eq!(claim().await[0].run, 2);
}

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
    assert_eq!(store.next_due(at(1_499)).await.unwrap(), Some(at(1_500)));
    assert_eq!(store.next_due(at(1_500)).await.unwrap(), None, "it is due");
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

/// A job of somebody, made at a time.
async fn by(store: &dyn Store, who: &str, text: &str, created: i64) {
    let new = NewJob {
        by: id(who),
        created_at: at(created),
        ..new_job(text)
    };
    store.submit(new).await.unwrap();
}

/// Whose jobs a claim gets.
async fn claim_of(store: &dyn Store, limit: u32, now: i64) -> Vec<String> {
    let jobs = store
        .claim(&version("v-one"), &owner("me"), limit, at(now))
        .await
        .unwrap();
    let person = |job: &onstage_core::job::Job| job.by.to_string();
    jobs.iter().map(person).collect()
}

pub(super) async fn people_take_turns_however_much_each_has_queued(store: &dyn Store) {
    let (busy, late) = (id("busy").to_string(), id("late").to_string());
    for number in 0..40 {
        by(store, "busy", &format!("b{number}"), 100).await;
    }
    assert_eq!(claim_of(store, 1, 200).await, [busy.as_str()]);
    assert_eq!(claim_of(store, 1, 200).await, [busy.as_str()]);
    by(store, "late", "l1", 190).await;
    by(store, "late", "l2", 190).await;
    let order = [&late, &busy, &late, &busy, &busy];
    for wanted in order {
        assert_eq!(claim_of(store, 1, 200).await, [wanted.as_str()]);
    }
    by(store, "late", "l3", 195).await;
    assert_eq!(
        claim_of(store, 1, 200).await,
        [late.as_str()],
        "it was longer ago"
    );
}

pub(super) async fn many_are_claimed_from_all_alike(store: &dyn Store) {
    for number in 0..10 {
        by(store, "busy", &format!("b{number}"), 100).await;
        if number < 2 {
            by(store, "late", &format!("l{number}"), 150).await;
        }
    }
    let claimed = claim_of(store, 8, 200).await;
    let late = id("late").to_string();
    let theirs = claimed.iter().filter(|who| **who == late).count();
    assert_eq!((claimed.len(), theirs), (8, 2));
    assert_eq!(claim_of(store, 9, 200).await.len(), 4);
}

pub(super) async fn urgent_jobs_come_first_among_ones_own(store: &dyn Store) {
    for (text, who, urgency, created) in [
        ("1", "a", 3, 100),
        ("2", "a", 0, 130),
        ("3", "a", 0, 120),
        ("4", "a", 7, 90),
        ("5", "b", 7, 140),
    ] {
        let new = NewJob {
            by: id(who),
            urgency: Urgency::new(urgency).unwrap(),
            created_at: at(created),
            ..new_job(text)
        };
        store.submit(new).await.unwrap();
    }
    let (version, me) = (version("v-one"), owner("me"));
    let mut claimed = Vec::new();
    for _ in 0..5 {
        let jobs = store.claim(&version, &me, 1, at(200));
        claimed.extend(jobs.await.unwrap());
    }
    let order: Vec<String> = ids(claimed.iter().map(|job| &job.id));
    let wanted: Vec<String> = ids(["3", "5", "2", "1", "4"].map(id).iter());
    assert_eq!(order, wanted);
    assert_eq!(claimed[0].urgency.get(), 0);
}

pub(super) async fn a_turn_is_not_lost_while_nothing_is_due(store: &dyn Store) {
    let early = NewJob {
        by: id("early"),
        ..new_job("e1")
    };
    put_off(store, early, 1_400).await;
    for number in 0..4 {
        by(store, "busy", &format!("b{number}"), 100).await;
    }
    let busy = id("busy").to_string();
    assert_eq!(
        claim_of(store, 2, 200).await,
        [busy.as_str(), busy.as_str()]
    );
    assert_eq!(claim_of(store, 1, 1_399).await, [busy]);
    assert_eq!(claim_of(store, 1, 1_400).await, [id("early").to_string()]);
}

pub(super) async fn places_in_the_queue_count_turns(store: &dyn Store) {
    for number in 0..5 {
        by(store, "busy", &format!("b{number}"), 100 + number).await;
    }
    by(store, "late", "l1", 200).await;
    let ahead = async |text: &str| {
        let job = store.job(&id(text)).await.unwrap().unwrap();
        store.ahead(&job).await.unwrap()
    };
    assert_eq!(ahead("l1").await, 1, "one of the other's");
    assert_eq!(ahead("b0").await, 1);
    assert_eq!(ahead("b4").await, 4 + 1);
}
