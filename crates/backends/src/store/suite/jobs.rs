//! Cases for looking at jobs, cancelling and deleting them.
//! Each starts with an empty store.

use super::make::{
    self, after, at, claimed, id, ids, kind_of, name, new_job, owner, page, policy, version,
};
use onstage_core::{
    Kind,
    job::{Dead, JobFilter, JobKind, JobState, NewJob},
    lifecycle::RunEnd,
    outcome::{Failure, Reason},
    ports::{Demand, Finished, Page, RunningJob, Store},
    task::Lane,
};

pub(super) async fn lists_are_filtered_and_in_pages(store: &dyn Store) {
    for text in ["1", "2", "3"] {
        store.submit(new_job(text)).await.unwrap();
    }
    let other = NewJob {
        model: name("lab/sex"),
        version: version("v-sex"),
        by: id("other"),
        ..new_job("4")
    };
    store.submit(other).await.unwrap();
    store.request_cancel(&id("2"), at(1)).await.unwrap();

    let list = async |filter: JobFilter, page| {
        let jobs = store.jobs(&filter, page).await.unwrap().rows;
        ids(jobs.iter().map(|job| &job.id))
    };
    let all = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| id(text).to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(JobFilter::default(), page(9)).await,
        all(&["4", "3", "2", "1"])
    );
    assert_eq!(list(JobFilter::default(), page(2)).await, all(&["4", "3"]));
    assert_eq!(
        list(JobFilter::default(), after(100, &id("3"), 9)).await,
        all(&["2", "1"])
    );
    assert_eq!(
        list(JobFilter::default(), after(100, &id("1"), 9)).await,
        all(&[])
    );
    let model = JobFilter {
        model: Some(name("lab/age")),
        ..Default::default()
    };
    assert_eq!(list(model.clone(), page(9)).await, all(&["3", "2", "1"]));
    let state = JobFilter {
        state: Some("queued".to_owned()),
        ..model
    };
    assert_eq!(list(state, page(9)).await, all(&["3", "1"]));
    let by = JobFilter {
        by: Some(id("other")),
        ..Default::default()
    };
    assert_eq!(list(by, page(9)).await, all(&["4"]));
    let kind = |kind| JobFilter {
        kind: Some(kind),
        ..Default::default()
    };
    assert_eq!(list(kind(JobKind::Batch), page(9)).await, all(&[]));
    assert_eq!(list(kind(JobKind::Prediction), page(9)).await.len(), 4);
}

pub(super) async fn lists_are_ordered_by_time_whatever_the_ids(store: &dyn Store) {
    // A client may choose an id that sorts above every one of ours, or below.
    for (text, created) in [("zz", 10), ("b", 30), ("a", 30), ("0", 20), ("m", 40)] {
        let job = NewJob {
            created_at: at(created),
            ..new_job(text)
        };
        store.submit(job).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = Page {
            after: cursor,
            limit: 2,
        };
        let listed = store.jobs(&JobFilter::default(), page).await.unwrap();
        assert!(listed.rows.len() <= 2);
        seen.extend(ids(listed.rows.iter().map(|job| &job.id)));
        cursor = listed.next;
        if cursor.is_none() {
            break;
        }
    }
    let wanted = ["m", "b", "a", "0", "zz"].map(|text| id(text).to_string());
    assert_eq!(seen, wanted);
    let whole = store.jobs(&JobFilter::default(), page(5)).await.unwrap();
    assert_eq!((whole.rows.len(), whole.next), (5, None), "nothing follows");
}

pub(super) async fn ended_jobs_that_may_have_left_blobs_are_listed_by_their_end(store: &dyn Store) {
    for (text, end) in [("1", 500), ("2", 400), ("3", 900)] {
        let lease = claimed(store, text).await;
        let lost = make::lost_worker();
        store.expire(&lease, 0, lost, at(210)).await.unwrap();
        let again = make::claim_again(store, &id(text), 300_000).await;
        let (lease, output) = (again.lease().unwrap(), make::output("1"));
        let policy = policy();
        let ended = store.finish(&lease, output, &policy, 0.0, at(end));
        ended.await.unwrap();
    }
    let lease = claimed(store, "4").await;
    let policy = policy();
    let ended = store.finish(&lease, make::output("1"), &policy, 0.0, at(450));
    ended.await.unwrap();
    let table = make::new_batch("5");
    store.submit(table).await.unwrap();
    store.request_cancel(&id("5"), at(470)).await.unwrap();
    store.submit(new_job("6")).await.unwrap();
    let list = async |page| store.finished(at(400)..at(900), page).await.unwrap();
    let row = |text: &str, run, end| Finished {
        id: id(text),
        run,
        completed_at: at(end),
    };
    let first = list(page(2)).await;
    assert_eq!(
        first.rows,
        [row("1", 2, 500), row("5", 0, 470)],
        "4 ran once"
    );
    let after = Page {
        after: first.next,
        limit: 2,
    };
    assert_eq!(list(after).await.rows, [row("2", 2, 400)]);
}

pub(super) async fn a_waiting_kind_is_seen(store: &dyn Store) {
    let waits = async |name: &str, kind, now| {
        let version = version(name);
        store.waits(&version, kind, at(now)).await.unwrap()
    };
    assert!(!waits("v-one", JobKind::Prediction, 999).await);
    make::put_off(store, new_job("1"), 1_000).await;
    assert!(waits("v-one", JobKind::Prediction, 1_000).await);
    assert!(!waits("v-one", JobKind::Prediction, 999).await, "not due");
    assert!(!waits("v-one", JobKind::Batch, 1_000).await);
    assert!(!waits("v-two", JobKind::Prediction, 1_000).await);
    make::claim_again(store, &id("1"), 1_000).await;
    assert!(!waits("v-one", JobKind::Prediction, 1_000).await, "it runs");
}

pub(super) async fn demand_counts_due_and_running_jobs(store: &dyn Store) {
    assert!(store.demand(at(1)).await.unwrap().is_empty());
    for (text, created) in [("1", 100), ("2", 90), ("3", 95)] {
        store
            .submit(NewJob {
                created_at: at(created),
                ..new_job(text)
            })
            .await
            .unwrap();
    }
    let later = NewJob {
        version: version("later"),
        created_at: at(500),
        ..new_job("4")
    };
    make::put_off(store, later, 1_500).await;
    store
        .claim(&version("v-one"), &owner("me"), 1, at(100))
        .await
        .unwrap();
    let one = Demand {
        version: version("v-one"),
        lane: Lane::Jobs,
        queued: 2,
        running: 1,
        help: 0,
        helpers: 0,
        oldest_queued_at: Some(at(95)),
    };
    assert_eq!(
        store.demand(at(100)).await.unwrap(),
        std::slice::from_ref(&one)
    );
    let later = Demand {
        version: version("later"),
        lane: Lane::Jobs,
        queued: 1,
        running: 0,
        help: 0,
        helpers: 0,
        oldest_queued_at: Some(at(500)),
    };
    assert_eq!(store.demand(at(1_500)).await.unwrap(), [later, one]);
}

pub(super) async fn places_in_the_queue_are_counted(store: &dyn Store) {
    for (text, created) in [("1", 100), ("2", 90), ("3", 100)] {
        store
            .submit(NewJob {
                created_at: at(created),
                ..new_job(text)
            })
            .await
            .unwrap();
    }
    store
        .submit(NewJob {
            version: version("other"),
            created_at: at(1),
            ..new_job("0")
        })
        .await
        .unwrap();
    for (text, ahead) in [("2", 0), ("1", 1), ("3", 2)] {
        let job = store.job(&id(text)).await.unwrap().unwrap();
        assert_eq!(store.ahead(&job).await.unwrap(), ahead, "{text}");
    }
}

pub(super) async fn running_jobs_are_watched_by_their_beat(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    store.submit(new_job("2")).await.unwrap();
    store.beat(&lease, make::beat()).await.unwrap();
    let running = RunningJob {
        lease: lease.clone(),
        version: version("v-one"),
        beat: 1,
    };
    assert_eq!(store.running().await.unwrap(), [running]);
    store
        .finish(&lease, make::output("1"), &policy(), 0.0, at(300))
        .await
        .unwrap();
    assert!(store.running().await.unwrap().is_empty());
}

pub(super) async fn a_finished_job_is_deleted_with_what_hangs_on_it(store: &dyn Store) {
    store.submit(make::keyed("1", "key", "body")).await.unwrap();
    let lease = make::claim_again(store, &id("1"), 200)
        .await
        .lease()
        .unwrap();
    store.commit_chunk(&lease, make::chunk(0, 1)).await.unwrap();
    store
        .append_events(&id("1"), Some(&lease), vec![make::event("{}")])
        .await
        .unwrap();
    store
        .finish(&lease, make::output("1"), &policy(), 0.0, at(300))
        .await
        .unwrap();

    store.delete_job(&id("1")).await.unwrap();
    assert_eq!(store.job(&id("1")).await.unwrap(), None);
    assert!(store.chunks(&id("1")).await.unwrap().is_empty());
    assert!(store.events(&id("1"), 0, 9).await.unwrap().is_empty());
    let again = store.submit(make::keyed("1", "key", "body")).await.unwrap();
    assert!(again.new, "its key is free, and so is its id");
    assert_eq!(
        store.append_events(&id("1"), None, vec![]).await.unwrap(),
        0,
        "a new job has a new log"
    );
}

pub(super) async fn an_open_job_is_not_deleted(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    assert_eq!(kind_of(store.delete_job(&id("1")).await), Kind::Conflict);
    store.submit(new_job("2")).await.unwrap();
    assert_eq!(kind_of(store.delete_job(&id("2")).await), Kind::Conflict);
    assert!(!store.beat(&lease, make::beat()).await.unwrap());
}

pub(super) async fn unknown_jobs_are_said_to_be_unknown(store: &dyn Store) {
    let none = id("none");
    assert_eq!(store.job(&none).await.unwrap(), None);
    assert_eq!(kind_of(store.delete_job(&none).await), Kind::NotFound);
    assert_eq!(
        kind_of(store.request_cancel(&none, at(1)).await),
        Kind::NotFound
    );
    assert!(store.chunks(&none).await.unwrap().is_empty());
    assert!(store.events(&none, 0, 9).await.unwrap().is_empty());
}

pub(super) async fn cancelling_ends_what_waits_and_tells_what_runs(store: &dyn Store) {
    store.submit(new_job("1")).await.unwrap();
    let waiting = store.request_cancel(&id("1"), at(150)).await.unwrap();
    assert_eq!(
        waiting.state,
        JobState::Canceled {
            completed_at: at(150)
        }
    );
    assert_eq!(store.job(&id("1")).await.unwrap(), Some(waiting));

    let lease = claimed(store, "2").await;
    let told = store.request_cancel(&id("2"), at(210)).await.unwrap();
    assert!(matches!(
        told.state,
        JobState::Running {
            cancel_requested: true,
            ..
        }
    ));
    assert!(
        store.beat(&lease, make::beat()).await.unwrap(),
        "the next beat says so"
    );
    let end = RunEnd::Canceled;
    let ended = store
        .finish(&lease, end, &policy(), 0.0, at(220))
        .await
        .unwrap();
    assert_eq!(
        ended.state,
        JobState::Canceled {
            completed_at: at(220)
        }
    );
    let after = store.request_cancel(&id("2"), at(230)).await.unwrap();
    assert_eq!(after, ended, "cancelling what has ended changes nothing");
}

pub(super) async fn dead_jobs_are_listed(store: &dyn Store) {
    let (policy, version, me) = (policy(), version("v-one"), owner("me"));
    for (text, reason) in [("1", Reason::Timeout), ("2", Reason::UserError)] {
        store.submit(new_job(text)).await.unwrap();
        for now in [1_000_000, 2_000_000, 3_000_000] {
            let jobs = store.claim(&version, &me, 1, at(now));
            let Some(lease) = jobs.await.unwrap().pop().and_then(|job| job.lease()) else {
                break;
            };
            let end = RunEnd::Failed(Failure::new(reason, "no"));
            let end = store.finish(&lease, end, &policy, 0.0, at(now));
            end.await.unwrap();
        }
    }
    let list = async |dead| {
        let filter = JobFilter {
            dead: Some(dead),
            ..JobFilter::default()
        };
        let found = store.jobs(&filter, page(9)).await.unwrap();
        ids(found.rows.iter().map(|job| &job.id))
    };
    assert_eq!(list(true).await, [id("1").to_string()]);
    assert_eq!(list(false).await, [id("2").to_string()]);
    let job = store.job(&id("1")).await.unwrap().unwrap();
    assert_eq!((job.dead, job.attempts), (Some(Dead::OutOfAttempts), 3));
}
