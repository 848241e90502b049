//! Cases for what a task does under its lease, and what it can no longer do without it.
//! Each starts with an empty store.

use super::make::{
    self, at, chunk, claim_again, claimed, id, kind_of, lost_worker, output, policy,
};
use onstage_core::{
    Kind,
    batch::Counts,
    job::{JobOutput, JobState, Lease},
    lifecycle::{AT_ONCE, Beat, RunEnd},
    outcome::{Failure, Phase, Progress, Reason},
    ports::Store,
};

pub(super) async fn a_beat_keeps_phase_and_progress(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    let progress = Progress {
        used: None,
        done: 3.5,
        total: Some(7.0),
        text: "half".to_owned(),
    };
    let said = Beat {
        phase: Phase::Uploading,
        progress: Some(progress.clone()),
    };
    assert!(!store.beat(&lease, said).await.unwrap());
    store.beat(&lease, make::beat()).await.unwrap();
    let job = store.job(&id("1")).await.unwrap().unwrap();
    assert_eq!(
        job.progress,
        Some(progress),
        "a beat without progress leaves it"
    );
    let JobState::Running { beat, phase, .. } = job.state else {
        panic!("{:?}", job.state)
    };
    assert_eq!((beat, phase), (2, Phase::Running));
}

pub(super) async fn every_end_of_a_run_is_kept(store: &dyn Store) {
    let batch = RunEnd::Succeeded(JobOutput::Batch {
        used: None,
        result: make::blob("runs/1/result"),
        counts: Counts {
            done: 9,
            failed: 1,
            matched: 4,
        },
        accuracy: Some(0.5),
        rows_per_s: 12.5,
    });
    let mut failure = Failure::new(Reason::UserError, "too dark");
    failure.field = Some("photo".to_owned());
    failure.traceback = Some("line 1\nline 2".to_owned());
    let ends = [
        (output("[1, 2]"), "succeeded"),
        (batch, "succeeded"),
        (RunEnd::Failed(failure), "failed"),
        (
            RunEnd::Failed(Failure::new(Reason::Timeout, "slow")),
            "queued",
        ),
        (RunEnd::Canceled, "canceled"),
        (RunEnd::HandedBack, "queued"),
    ];
    for (place, (end, state)) in ends.into_iter().enumerate() {
        let text = format!("end{place}");
        let lease = claimed(store, &text).await;
        let job = store
            .finish(&lease, end, &policy(), 1.0, at(300 + place as i64))
            .await
            .unwrap();
        assert_eq!(job.state.name(), state, "{text}");
        assert_eq!(store.job(&id(&text)).await.unwrap(), Some(job));
    }
}

pub(super) async fn a_lost_lease_writes_nothing(store: &dyn Store) {
    let first = claimed(store, "1").await;
    store
        .expire(&first, 0, lost_worker(), at(300))
        .await
        .unwrap();
    let second = claim_again(store, &id("1"), 400).await;
    assert_eq!(second.run, 2);
    let lease = second.lease().unwrap();
    let other_owner = Lease {
        owner: make::owner("somebody"),
        ..lease.clone()
    };
    let coming_run = Lease {
        run: 3,
        ..lease.clone()
    };
    for lost in [first, other_owner, coming_run] {
        let kinds = [
            kind_of(store.beat(&lost, make::beat()).await),
            kind_of(store.commit_chunk(&lost, chunk(0, lost.run)).await),
            kind_of(
                store
                    .finish(&lost, output("9"), &policy(), 0.0, at(500))
                    .await,
            ),
            kind_of(store.expire(&lost, 0, lost_worker(), at(500)).await),
            kind_of(
                store
                    .append_events(&id("1"), Some(&lost), vec![make::event("{}")])
                    .await,
            ),
        ];
        assert_eq!(kinds, [Kind::Lost; 5], "{lost:?}");
        assert_eq!(store.job(&id("1")).await.unwrap().as_ref(), Some(&second));
    }
    assert!(store.chunks(&id("1")).await.unwrap().is_empty());
    assert!(store.events(&id("1"), 0, 9).await.unwrap().is_empty());
    let done = store
        .finish(&lease, output("1"), &policy(), 0.0, at(600))
        .await
        .unwrap();
    assert_eq!((done.state.name(), done.run), ("succeeded", 2));
}

pub(super) async fn a_second_end_is_refused(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    let done = store
        .finish(&lease, output("1"), &policy(), 0.0, at(300))
        .await
        .unwrap();
    for end in [output("2"), RunEnd::Canceled, RunEnd::Failed(lost_worker())] {
        assert_eq!(
            kind_of(store.finish(&lease, end, &policy(), 0.0, at(400)).await),
            Kind::Lost
        );
    }
    assert_eq!(
        kind_of(store.expire(&lease, 0, lost_worker(), at(400)).await),
        Kind::Lost
    );
    assert_eq!(store.job(&id("1")).await.unwrap(), Some(done));
}

pub(super) async fn many_ends_have_one_answer_each(store: &dyn Store) {
    let first = claimed(store, "1").await;
    let second = claimed(store, "2").await;
    let third = claimed(store, "3").await;
    store
        .finish(&second, output("0"), &policy(), 0.0, at(250))
        .await
        .unwrap();
    let ends = vec![
        (first.clone(), output("1")),
        (second, output("2")),
        (third, RunEnd::Canceled),
        (first, output("3")),
    ];
    let answers = store
        .finish_all(ends, &policy(), 0.0, at(300))
        .await
        .unwrap();
    let states: Vec<_> = answers
        .iter()
        .map(|one| {
            one.as_ref()
                .map(|job| job.state.name())
                .map_err(|error| error.kind)
        })
        .collect();
    assert_eq!(
        states,
        [
            Ok("succeeded"),
            Err(Kind::Lost),
            Ok("canceled"),
            Err(Kind::Lost)
        ]
    );
    let kept = answers[0].as_ref().unwrap();
    assert_eq!(store.job(&id("1")).await.unwrap().as_ref(), Some(kept));
    assert!(
        store
            .finish_all(vec![], &policy(), 0.0, at(300))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn an_expired_run_goes_back_to_the_queue(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    let job = store
        .expire(&lease, 0, lost_worker(), at(300))
        .await
        .unwrap();
    assert_eq!(
        job.state,
        JobState::Queued {
            not_before: AT_ONCE
        }
    );
    assert_eq!((job.attempts, job.restarts, job.history.len()), (0, 1, 1));
    assert_eq!(
        (job.history[0].run, &job.history[0].owner),
        (1, &lease.owner)
    );
    assert_eq!(store.job(&id("1")).await.unwrap(), Some(job));

    let lease = claim_again(store, &id("1"), 400).await.lease().unwrap();
    store.request_cancel(&id("1"), at(410)).await.unwrap();
    let job = store
        .expire(&lease, 0, lost_worker(), at(420))
        .await
        .unwrap();
    assert_eq!(
        job.state,
        JobState::Canceled {
            completed_at: at(420)
        }
    );
}

pub(super) async fn a_beat_saves_a_run_from_its_reaper(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    store.beat(&lease, make::beat()).await.unwrap();
    assert_eq!(
        kind_of(store.expire(&lease, 0, lost_worker(), at(300)).await),
        Kind::Conflict
    );
    assert_eq!(
        store.job(&id("1")).await.unwrap().unwrap().state.name(),
        "running"
    );
    store
        .expire(&lease, 1, lost_worker(), at(300))
        .await
        .unwrap();
}

pub(super) async fn a_chunk_is_committed_once(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    for index in [2, 0, 1] {
        store.commit_chunk(&lease, chunk(index, 1)).await.unwrap();
    }
    store
        .expire(&lease, 0, lost_worker(), at(300))
        .await
        .unwrap();
    let lease = claim_again(store, &id("1"), 400).await.lease().unwrap();
    store.commit_chunk(&lease, chunk(1, 2)).await.unwrap();
    store.commit_chunk(&lease, chunk(3, 2)).await.unwrap();
    let wanted = [chunk(0, 1), chunk(1, 1), chunk(2, 1), chunk(3, 2)];
    assert_eq!(store.chunks(&id("1")).await.unwrap(), wanted);
}

pub(super) async fn of_two_ends_at_once_one_counts(store: &dyn Store) {
    for round in 0..20 {
        let text = format!("race{round}");
        let lease = claimed(store, &text).await;
        let policy = policy();
        let finish = store.finish(&lease, output("1"), &policy, 0.0, at(300));
        let expire = store.expire(&lease, 0, lost_worker(), at(300));
        let (finished, expired) = futures::join!(finish, expire);
        assert_ne!(finished.is_ok(), expired.is_ok(), "one and only one wins");
        let winner = finished.or(expired).unwrap();
        assert_eq!(store.job(&id(&text)).await.unwrap(), Some(winner));
        store.request_cancel(&id(&text), at(400)).await.unwrap();
    }
}

pub(super) async fn a_lease_on_a_deleted_job_is_lost(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    store
        .finish(&lease, output("1"), &policy(), 0.0, at(300))
        .await
        .unwrap();
    store.delete_job(&id("1")).await.unwrap();
    assert_eq!(kind_of(store.beat(&lease, make::beat()).await), Kind::Lost);
    assert_eq!(
        kind_of(
            store
                .finish(&lease, output("2"), &policy(), 0.0, at(400))
                .await
        ),
        Kind::Lost
    );
    assert_eq!(
        kind_of(store.commit_chunk(&lease, chunk(0, 1)).await),
        Kind::Lost
    );
    assert!(store.chunks(&id("1")).await.unwrap().is_empty());
}
