//! What only a store has that outlives its process: other processes on the same one, and tomorrow.
//! A second opening stands for another process: it shares nothing but the place.

use super::{
    make::{self, at, claimed, id, kind_of, new_job, output, owner, policy, version},
    places::{self, Place},
};
use futures::future::join_all;
use onstage_core::{Kind, ports::StateOp};
use std::collections::HashSet;

const OPENINGS: usize = 4;

/// Expands every case into a test over each kind of store that outlives its process.
macro_rules! every_place {
    ($($case:ident),+ $(,)?) => {
        every_place! { @sqlite $($case)+ }
        every_place! { @postgres $($case)+ }
        every_place! { @mysql $($case)+ }
    };
    (@$place:ident $($case:ident)+) => {
        mod $place { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$case(&super::places::$place().await).await;
            }
        )+ }
    };
}

every_place! {
    a_new_place_is_opened_by_many_at_once,
    claims_of_many_processes_get_each_job_once,
    a_lease_lost_to_another_process_writes_nothing,
    counters_and_keys_are_shared_by_processes,
    many_keys_of_many_processes_make_one_job_each,
    feedback_of_one_person_at_once_is_one_feedback,
    pushes_of_many_processes_get_different_numbers,
    ends_in_any_order_hold_up_nobody,
    changes_are_seen_by_other_processes,
    texts_are_told_apart_by_their_bytes,
    reopening_keeps_everything,
}

async fn a_new_place_is_opened_by_many_at_once(place: &Place) {
    let stores = place.open_times(8).await;
    make::models(&*stores[0]).await;
    for (place, store) in stores.iter().enumerate() {
        store.submit(new_job(&place.to_string())).await.unwrap();
    }
    let jobs = stores[0]
        .jobs(&Default::default(), make::page(99))
        .await
        .unwrap()
        .rows;
    assert_eq!(jobs.len(), 8);
}

async fn claims_of_many_processes_get_each_job_once(place: &Place) {
    const JOBS: usize = 100;
    let stores = place.open_times(OPENINGS).await;
    make::models(&*stores[0]).await;
    join_all((0..JOBS).map(|place| stores[place % OPENINGS].submit(new_job(&place.to_string()))))
        .await;
    let claimers = stores.iter().enumerate().map(|(who, store)| async move {
        let mut mine = Vec::new();
        loop {
            let me = owner(&format!("process {who}"));
            let jobs = store
                .claim(&version("v-one"), &me, 2, at(200))
                .await
                .unwrap();
            if jobs.is_empty() {
                return mine;
            }
            for job in jobs {
                assert_eq!(job.run, 1);
                store
                    .beat(&job.lease().unwrap(), make::beat())
                    .await
                    .unwrap();
                mine.push(job.id);
            }
        }
    });
    let claimed = join_all(claimers).await.concat();
    let different: HashSet<_> = claimed.iter().collect();
    assert_eq!((claimed.len(), different.len()), (JOBS, JOBS));
    let running = stores[0].running().await.unwrap();
    assert!(running.iter().all(|job| job.beat == 1) && running.len() == JOBS);
}

async fn a_lease_lost_to_another_process_writes_nothing(place: &Place) {
    let stores = place.open_times(2).await;
    make::models(&*stores[0]).await;
    let lease = claimed(&*stores[0], "1").await;
    stores[1]
        .expire(&lease, 0, make::lost_worker(), at(300))
        .await
        .unwrap();
    assert_eq!(
        kind_of(stores[0].beat(&lease, make::beat()).await),
        Kind::Lost
    );
    let late = stores[0]
        .finish(&lease, output("1"), &policy(), 0.0, at(400))
        .await;
    assert_eq!(kind_of(late), Kind::Lost);
}

async fn counters_and_keys_are_shared_by_processes(place: &Place) {
    let stores = place.open_times(OPENINGS).await;
    make::models(&*stores[0]).await;
    let add = |place: usize| stores[place % OPENINGS].state("lab/age", "n", StateOp::Add(1.0));
    let submit = |place: usize| {
        stores[place % OPENINGS].submit(make::keyed(&format!("s{place}"), "key", "body"))
    };
    let (added, submitted) =
        futures::join!(join_all((0..80).map(add)), join_all((0..20).map(submit)));
    assert!(added.iter().all(Result::is_ok));
    let new = submitted
        .into_iter()
        .filter(|one| one.as_ref().unwrap().new)
        .count();
    assert_eq!(new, 1);
    assert_eq!(
        stores[0].state("lab/age", "n", StateOp::Get).await.unwrap(),
        "80"
    );
}

async fn many_keys_of_many_processes_make_one_job_each(place: &Place) {
    const KEYS: usize = 20;
    const TIMES: usize = 10;
    let stores = place.open_times(OPENINGS).await;
    make::models(&*stores[0]).await;
    let submit = |n: usize| {
        let (key, time) = (n % KEYS, n / KEYS);
        let new = make::keyed(&format!("k{key}t{time}"), &format!("key {key}"), "body");
        stores[n % OPENINGS].submit(new)
    };
    let answers = join_all((0..KEYS * TIMES).map(submit)).await;
    let answers: Vec<_> = answers.into_iter().map(|one| one.unwrap()).collect();
    let new = answers.iter().filter(|one| one.new).count();
    let jobs: HashSet<_> = answers.iter().map(|one| &one.job.id).collect();
    assert_eq!((new, jobs.len()), (KEYS, KEYS));
    let stored = stores[0].jobs(&Default::default(), make::page(200)).await;
    assert_eq!(stored.unwrap().rows.len(), KEYS, "no other job was left");
    let model = new_job("x").model;
    let runs = stores[0].run_count(&model).await.unwrap();
    assert_eq!(runs, KEYS as u64, "what was undone is not counted");
}

async fn feedback_of_one_person_at_once_is_one_feedback(place: &Place) {
    let stores = place.open_times(OPENINGS).await;
    let put =
        |n: usize| stores[n % OPENINGS].put_feedback(make::feedback(&format!("f{n}"), "p", "kim"));
    let put = join_all((0..20).map(put)).await;
    assert!(put.iter().all(Result::is_ok), "{put:?}");
    let kept = stores[0]
        .feedback(&Default::default(), make::page(99))
        .await;
    assert_eq!(kept.unwrap().rows.len(), 1);
}

async fn pushes_of_many_processes_get_different_numbers(place: &Place) {
    let stores = place.open_times(OPENINGS).await;
    let model = make::model("lab/age");
    join_all(stores.iter().map(|store| store.ensure_model(model.clone()))).await;
    let push =
        |n: usize| stores[n % OPENINGS].add_version(make::new_version("lab/age", &format!("v{n}")));
    let pushed = join_all((0..20).map(push)).await;
    let mut numbers: Vec<u32> = pushed
        .into_iter()
        .map(|one| one.unwrap().0.number)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u32>>());
}

/// Two that end the same jobs in opposite orders would wait for each other for ever.
async fn ends_in_any_order_hold_up_nobody(place: &Place) {
    const JOBS: usize = 30;
    let stores = place.open_times(2).await;
    make::models(&*stores[0]).await;
    join_all((0..JOBS).map(|n| stores[0].submit(new_job(&format!("{n:02}"))))).await;
    let (me, version) = (owner("me"), version("v-one"));
    let claimed = stores[0].claim(&version, &me, JOBS as u32, at(200)).await;
    let ends: Vec<_> = claimed
        .unwrap()
        .iter()
        .map(|job| (job.lease().unwrap(), output("1")))
        .collect();
    let backwards = ends.iter().rev().cloned().collect();
    let policy = policy();
    let (one, other) = futures::join!(
        stores[0].finish_all(ends, &policy, 0.0, at(300)),
        stores[1].finish_all(backwards, &policy, 0.0, at(300)),
    );
    let outcomes: Vec<_> = [one.unwrap(), other.unwrap()]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(outcomes.len(), 2 * JOBS);
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        JOBS
    );
}

/// Databases like to take these for equal: letters of both cases and with accents, a space at the end.
async fn texts_are_told_apart_by_their_bytes(place: &Place) {
    let store = place.open().await;
    let keys = [
        "a",
        "A",
        "a ",
        "\u{e4}",
        "ae",
        "\u{df}",
        "ss",
        "\u{1f600}",
        "b",
    ];
    for (n, key) in keys.iter().enumerate() {
        let put = StateOp::Put(n.to_string());
        store.state("lab/age", key, put).await.unwrap();
    }
    for (n, key) in keys.iter().enumerate() {
        let kept = store.state("lab/age", key, StateOp::Get).await.unwrap();
        assert_eq!(kept, n.to_string(), "{key:?}");
    }
    let all = store.state("lab/age", "", StateOp::Items).await.unwrap();
    let all: Vec<(String, u64)> = serde_json::from_str(&all).unwrap();
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let listed: Vec<&str> = all.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(listed, sorted, "in the order of their bytes");
}

async fn changes_are_seen_by_other_processes(place: &Place) {
    let stores = place.open_times(2).await;
    let before = stores[1].catalog_revision().await.unwrap();
    stores[0]
        .ensure_model(make::model("lab/age"))
        .await
        .unwrap();
    assert_ne!(stores[1].catalog_revision().await.unwrap(), before);
    assert!(
        stores[1]
            .model(&make::name("lab/age"))
            .await
            .unwrap()
            .is_some()
    );
}

async fn reopening_keeps_everything(place: &Place) {
    let store = place.open().await;
    store.ensure_model(make::model("lab/age")).await.unwrap();
    store
        .add_version(make::new_version("lab/age", "a1"))
        .await
        .unwrap();
    let lease = claimed(&*store, "1").await;
    store.commit_chunk(&lease, make::chunk(0, 1)).await.unwrap();
    store
        .append_events(&id("1"), None, vec![make::event("{}")])
        .await
        .unwrap();
    let job = store
        .finish(&lease, output("1"), &policy(), 0.0, at(300))
        .await
        .unwrap();
    store.submit(make::keyed("2", "key", "body")).await.unwrap();
    store.record(vec![make::prediction("p")]).await.unwrap();
    store
        .put_feedback(make::feedback("f", "p", "kim"))
        .await
        .unwrap();
    store.add_file(make::file("x")).await.unwrap();
    store.register_task(make::task("t")).await.unwrap();
    store
        .state("lab/age", "n", StateOp::Add(2.0))
        .await
        .unwrap();
    let revision = store.catalog_revision().await.unwrap();
    drop(store);

    let store = place.open().await;
    assert_eq!(store.job(&id("1")).await.unwrap(), Some(job));
    assert_eq!(store.chunks(&id("1")).await.unwrap(), [make::chunk(0, 1)]);
    assert_eq!(
        store
            .append_events(&id("1"), None, vec![make::event("{}")])
            .await
            .unwrap(),
        2
    );
    let again = store.submit(make::keyed("3", "key", "body")).await;
    assert!(!again.unwrap().new);
    assert_eq!(
        store.prediction(&id("p")).await.unwrap(),
        Some(make::prediction("p"))
    );
    let feedback = store.feedback(&Default::default(), make::page(9)).await;
    assert_eq!(feedback.unwrap().rows.len(), 1);
    assert_eq!(store.file(&id("x")).await.unwrap(), Some(make::file("x")));
    let tasks = store.tasks(make::page(9)).await.unwrap();
    assert_eq!(tasks.rows, [make::task("t")]);
    assert_eq!(
        store.state("lab/age", "n", StateOp::Get).await.unwrap(),
        "2"
    );
    assert_eq!(store.catalog_revision().await.unwrap(), revision);
    assert_eq!(store.building().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_a_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(
        &path,
        "this is no database, and long enough to be looked at as one".repeat(50),
    )
    .unwrap();
    let error = crate::store::sqlite(&path).await.err().unwrap();
    assert!(error.message.contains("store.db"), "{error}");
    let missing = folder.path().join("no/such/folder/store.db");
    let error = crate::store::sqlite(&missing).await.err().unwrap();
    assert_eq!(error.kind, Kind::NotFound);
    for url in ["", "sqlite://relative.db", "oracle://kim:pass@host/db"] {
        let error = crate::store::open(url).await.err().unwrap();
        assert_eq!(error.kind, Kind::Invalid, "{url}");
        assert!(!error.to_string().contains("pass"), "{error}");
    }
}
