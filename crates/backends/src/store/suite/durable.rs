//! What only a store with a file has: other processes on the same file, and tomorrow.
//! A second opening of the file stands for another process: it shares nothing but the file.

use super::make::{self, at, claimed, id, kind_of, new_job, output, owner, policy, version};
use futures::future::join_all;
use onstage_core::{
    Kind,
    ports::{StateOp, Store},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

const OPENINGS: usize = 4;

fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

async fn opened(path: &Path, times: usize) -> Vec<Arc<dyn Store>> {
    let all = join_all((0..times).map(|_| crate::store::sqlite(path))).await;
    all.into_iter().map(|store| store.unwrap()).collect()
}

#[tokio::test]
async fn a_new_file_is_opened_by_many_at_once() {
    let (_folder, path) = fresh();
    let stores = opened(&path, 8).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_of_many_processes_get_each_job_once() {
    const JOBS: usize = 100;
    let (_folder, path) = fresh();
    let stores = opened(&path, OPENINGS).await;
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

#[tokio::test]
async fn a_lease_lost_to_another_process_writes_nothing() {
    let (_folder, path) = fresh();
    let stores = opened(&path, 2).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counters_and_keys_are_shared_by_processes() {
    let (_folder, path) = fresh();
    let stores = opened(&path, OPENINGS).await;
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

#[tokio::test]
async fn changes_are_seen_by_other_processes() {
    let (_folder, path) = fresh();
    let stores = opened(&path, 2).await;
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

#[tokio::test]
async fn reopening_keeps_everything() {
    let (_folder, path) = fresh();
    let store = crate::store::sqlite(&path).await.unwrap();
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

    let store = crate::store::sqlite(&path).await.unwrap();
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
    let (folder, path) = fresh();
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
    for url in ["", "sqlite://relative.db", "postgres://kim:pass@host/db"] {
        let error = crate::store::open(url).await.err().unwrap();
        assert_eq!(error.kind, Kind::Invalid, "{url}");
        assert!(!error.to_string().contains("pass"), "{error}");
    }
}
