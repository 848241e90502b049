//! The SQLite store when its disk is full and when another process holds its lock.
//! Real refusals of SQLite, not made-up errors.

use super::{SqlStore, Writes, migrations, presence::Presence, sqlite, writer::Writer};
use crate::store::suite::{
    make::{
        at, claim_again, claimed, id, kind_of, lost_worker, models, new_batch, new_job, owner,
        page, prediction, version,
    },
    outbox::hook,
};
use futures::FutureExt;
use onstage_core::{
    Kind,
    job::{JobSpec, Lease, NewJob},
    ports::{Catalog, Jobs, Outbox, Page, Predictions},
    shares::ShareStep,
    value::Stored,
    webhook::WebhookEvent,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// Pages that the small disk of a test has.
const PAGES_MAX: u32 = 200;

/// A store on a disk that holds few pages.
struct Small {
    store: SqlStore,
    writing: DatabaseConnection,
    /// Those that were opened anew.
    again: Arc<Mutex<Vec<DatabaseConnection>>>,
    pages_max: Arc<AtomicU32>,
}

async fn small_store(path: &Path) -> Small {
    let writing = sqlite::connect_writer(path, sqlite::Durability::Full)
        .await
        .unwrap();
    migrations::bring_up_to_date(&writing).await.unwrap();
    limit_pages(&writing, PAGES_MAX).await;
    let readers = sqlite::connect_readers(path).await.unwrap();
    let pages_max = Arc::new(AtomicU32::new(PAGES_MAX));
    let again = Arc::new(Mutex::new(Vec::new()));
    let (path, limit, opened) = (path.to_owned(), pages_max.clone(), again.clone());
    // A connection that is opened anew finds the disk as small as it is.
    let reopen = move || {
        let (path, pages_max) = (path.clone(), limit.load(Relaxed));
        let opened = opened.clone();
        async move {
            let again = sqlite::connect_writer(&path, sqlite::Durability::Full).await?;
            limit_pages(&again, pages_max).await;
            opened.lock().unwrap().push(again.clone());
            Ok(again)
        }
        .boxed()
    };
    let writer = Writer::start(writing.clone(), Box::new(reopen));
    let store = SqlStore::new(readers, Presence::default(), Writes::One(writer));
    models(&store).await;
    Small {
        store,
        writing,
        again,
        pages_max,
    }
}

async fn limit_pages(connection: &DatabaseConnection, pages_max: u32) {
    let limit = format!("PRAGMA max_page_count = {pages_max}");
    connection.execute_unprepared(&limit).await.unwrap();
}

impl Small {
    /// There is room again.
    async fn grow(&self) {
        self.pages_max.store(100_000, Relaxed);
        let again = self.again.lock().unwrap().clone();
        for connection in again.iter().chain([&self.writing]) {
            // Best effort: the store has closed some of them.
            let _ = connection
                .execute_unprepared("PRAGMA max_page_count = 100000")
                .await;
        }
    }
}

fn large_job(text: &str) -> NewJob {
    let input = Stored::Inline("x".repeat(60_000));
    NewJob {
        spec: JobSpec::Prediction {
            input,
            datasets: Vec::new(),
        },
        ..new_job(text)
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let small = small_store(&folder.path().join("store.db")).await;
    let store = &small.store;
    let mut kept = Vec::new();
    let refused = loop {
        let text = kept.len().to_string();
        match store.submit(large_job(&text)).await {
            Ok(submitted) => kept.push(submitted.job),
            Err(error) => break error,
        }
        assert!(kept.len() < PAGES_MAX as usize, "the disk never gets full");
    };
    assert_eq!(refused.kind, Kind::Full, "{refused}");
    assert!(refused.hint.is_some());
    let group = (0..20).map(|place| store.submit(large_job(&format!("g{place}"))));
    let group = futures::future::join_all(group).await;
    let kinds: Vec<Kind> = group.into_iter().map(kind_of).collect();
    assert_eq!(
        kinds,
        [Kind::Full; 20],
        "nobody of a group is told it was kept"
    );

    small.grow().await;
    let after = store.submit(large_job("after")).await.unwrap().job;
    for job in kept.iter().chain([&after]) {
        assert_eq!(store.job(&job.id).await.unwrap().as_ref(), Some(job));
    }
    assert_eq!(store.job(&id("g0")).await.unwrap(), None);
}

#[tokio::test]
async fn a_lock_held_by_another_process_is_waited_for_and_then_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let Small { store, .. } = small_store(&path).await;
    store.submit(new_job("1")).await.unwrap();
    let other = sqlite::connect_writer(&path, sqlite::Durability::Full)
        .await
        .unwrap();
    let held = sqlite::begin(&other).await.unwrap();
    let (job, record) = futures::join!(
        store.submit(new_job("2")),
        store.record(vec![prediction("p")])
    );
    assert_eq!(kind_of(job), Kind::Unavailable);
    assert_eq!(kind_of(record), Kind::Unavailable);
    assert!(
        store.job(&id("1")).await.unwrap().is_some(),
        "reading goes on"
    );
    held.rollback().await.unwrap();
    store.submit(new_job("2")).await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let Small { store, writing, .. } = small_store(&folder.path().join("store.db")).await;
    for text in ["1", "2", "3"] {
        store.submit(new_job(text)).await.unwrap();
    }
    let damage = format!(
        "UPDATE jobs SET spec_json = 'oops' WHERE id = '{}'",
        id("2")
    );
    writing.execute_unprepared(&damage).await.unwrap();
    let jobs = store.jobs(&Default::default(), page(9)).await.unwrap().rows;
    assert_eq!(jobs.len(), 2);
    let claimed = claim_again(&store, &id("3"), 200).await;
    assert_eq!(claimed.run, 1);
    assert_eq!(kind_of(store.job(&id("2")).await), Kind::Internal);
}

async fn state_of(connection: &DatabaseConnection, text: &str) -> String {
    let ask = format!("SELECT state FROM jobs WHERE id = '{}'", id(text));
    let ask = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, ask);
    let row = connection.query_one_raw(ask).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn jobs_that_cannot_be_read_are_ended_and_block_no_queue() {
    let folder = tempfile::tempdir().unwrap();
    let Small { store, writing, .. } = small_store(&folder.path().join("store.db")).await;
    for text in ["1", "2", "3"] {
        store.submit(new_job(text)).await.unwrap();
    }
    let damage = format!(
        "UPDATE jobs SET spec_json = 'oops' WHERE id IN ('{}', '{}')",
        id("1"),
        id("2")
    );
    writing.execute_unprepared(&damage).await.unwrap();
    let (version, owner) = (version("v-one"), owner("me"));
    let claimed = store.claim(&version, &owner, 1, at(200)).await.unwrap();
    assert_eq!(claimed.len(), 1, "the first that can be read is claimed");
    assert_eq!(claimed[0].id, id("3"));
    for text in ["1", "2"] {
        assert_eq!(state_of(&writing, text).await, "failed");
    }
    let demand = store.demand(at(200)).await.unwrap();
    assert_eq!((demand[0].queued, demand[0].running), (0, 1));
    store.delete_job(&id("1")).await.unwrap();
    assert_eq!(store.job(&id("1")).await.unwrap(), None);
}

#[tokio::test]
async fn a_running_job_that_cannot_be_read_is_ended_when_its_task_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let Small { store, writing, .. } = small_store(&folder.path().join("store.db")).await;
    let lease = claimed(&store, "1").await;
    let damage = "UPDATE jobs SET attempts_json = 'oops'";
    writing.execute_unprepared(damage).await.unwrap();
    let expire = async |beat| store.expire(&lease, beat, lost_worker(), at(300)).await;
    assert_eq!(kind_of(expire(7).await), Kind::Conflict);
    assert_eq!(state_of(&writing, "1").await, "running", "it was alive");
    assert_eq!(kind_of(expire(0).await), Kind::Conflict);
    assert_eq!(state_of(&writing, "1").await, "failed");
    assert!(store.running().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_end_of_a_job_that_cannot_be_read_is_told_and_its_shares_go() {
    let folder = tempfile::tempdir().unwrap();
    let Small { store, writing, .. } = small_store(&folder.path().join("store.db")).await;
    for text in ["1", "2"] {
        let new = NewJob {
            webhook: Some(hook(&[WebhookEvent::Completed])),
            ..new_batch(text)
        };
        store.submit(new).await.unwrap();
        if text == "1" {
            let lease = claim_again(&store, &id("1"), 200).await.lease().unwrap();
            let open = ShareStep::Open {
                free: std::iter::once(0..10).collect(),
                share_rows: 10,
                wanted: 1,
            };
            store.share(&lease, open).await.unwrap();
        }
    }
    let damage = "UPDATE jobs SET spec_json = 'oops'";
    writing.execute_unprepared(damage).await.unwrap();
    let lease = Lease {
        job: id("1"),
        run: 1,
        owner: owner("me"),
    };
    let ended = store.expire(&lease, 0, lost_worker(), at(300)).await;
    assert_eq!(kind_of(ended), Kind::Conflict);
    assert_eq!(store.shares(&id("1")).await.unwrap(), None);
    let (one, me) = (version("v-one"), owner("me"));
    let claimed = store.claim(&one, &me, 9, at(300)).await;
    assert!(claimed.unwrap().is_empty());
    let told = store.take_messages(9, at(300), at(400)).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|it| (it.job, it.event)).collect();
    let ends = ["1", "2"].map(|text| (id(text), WebhookEvent::Completed));
    assert_eq!(told, ends);
}

#[tokio::test]
async fn a_page_of_rows_that_cannot_be_read_ends_no_list() {
    let folder = tempfile::tempdir().unwrap();
    let Small { store, writing, .. } = small_store(&folder.path().join("store.db")).await;
    for text in ["1", "2", "3", "4"] {
        store.submit(new_job(text)).await.unwrap();
    }
    let damage = format!(
        "UPDATE jobs SET spec_json = 'oops' WHERE id > '{}'",
        id("2")
    );
    writing.execute_unprepared(&damage).await.unwrap();
    let first = store.jobs(&Default::default(), page(2)).await.unwrap();
    assert!(first.rows.is_empty());
    let next = Page {
        after: first.next,
        limit: 2,
    };
    let rest = store.jobs(&Default::default(), next).await.unwrap();
    assert_eq!((rest.rows.len(), rest.next), (2, None));
}

#[tokio::test]
async fn a_model_is_removed_in_slices_and_its_own_record_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = super::open(&path, sqlite::Durability::Process)
        .await
        .unwrap();
    let model = crate::store::suite::make::model("lab/age");
    store.ensure_model(model.clone()).await.unwrap();
    let record = |place: u32| prediction(&place.to_string());
    store
        .record((0..1_200).map(record).collect())
        .await
        .unwrap();
    let mut slices = 0;
    loop {
        let slice = store.write(model.name.clone(), |transaction, name| {
            Box::pin(super::removal::slice(transaction, name))
        });
        slices += 1;
        if slice.await.unwrap() {
            break;
        }
        let there = store.model(&model.name).await.unwrap();
        assert!(there.is_some(), "what is left has its model");
    }
    assert_eq!(slices, 3);
    assert_eq!(store.model(&model.name).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_that_panics_is_undone_and_ends_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let Small { store, .. } = small_store(&folder.path().join("store.db")).await;
    let broken = store.write((), |transaction, ()| {
        Box::pin(async move {
            let delete = "DELETE FROM jobs";
            transaction.execute_unprepared(delete).await.unwrap();
            panic!("a bug in a write");
            #[expect(unreachable_code, reason = "says what the work would answer")]
            Ok(())
        })
    });
    store.submit(new_job("1")).await.unwrap();
    assert_eq!(kind_of(broken.await), Kind::Unavailable);
    assert!(store.job(&id("1")).await.unwrap().is_some());
    store.submit(new_job("2")).await.unwrap();
}

#[tokio::test]
async fn the_file_is_synced_at_every_commit_and_checks_its_foreign_keys() {
    let folder = tempfile::tempdir().unwrap();
    let Small { store, writing, .. } = small_store(&folder.path().join("store.db")).await;
    let ask = async |connection: &DatabaseConnection, name: &str| {
        let ask =
            sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, format!("PRAGMA {name}"));
        let row = connection.query_one_raw(ask).await.unwrap().unwrap();
        let number = row
            .try_get_by_index::<i64>(0)
            .map(|number| number.to_string());
        number
            .or_else(|_| row.try_get_by_index::<String>(0))
            .unwrap()
    };
    assert_eq!(ask(&writing, "journal_mode").await, "wal");
    assert_eq!(ask(&writing, "synchronous").await, "2");
    assert_eq!(ask(&writing, "foreign_keys").await, "1");
    assert_eq!(ask(&writing, "busy_timeout").await, "5000");
    assert_eq!(ask(&store.readers, "query_only").await, "1");
    assert_eq!(ask(&writing, "integrity_check").await, "ok");
}

/// A small disk, unmounted at the end. `None` where mounting is not allowed.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]);
        let done = mount.arg(&at).output().ok()?;
        done.status.success().then_some(Self(at))
    }

    /// Takes every byte that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.0.join("fill")).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        let _ = unmount.arg("-l").arg(&self.0).status();
    }
}

/// A real disk refuses at the commit, where SQLite undoes the transaction by itself: more than `max_page_count` can show.
#[tokio::test]
async fn what_is_acknowledged_after_the_disk_was_full_is_really_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path().join("disk")) else {
        eprintln!("SKIPPED: mounting a small disk is not allowed here");
        return;
    };
    let path = disk.0.join("store.db");
    let full = sqlite::Durability::Full;
    let store = super::open(&path, full).await.unwrap();
    models(&store).await;
    disk.fill();
    let mut refused = 0;
    let mut kept = Vec::new();
    for place in 0..40 {
        match store
            .submit(large_job(&format!("while-full-{place}")))
            .await
        {
            Ok(submitted) => kept.push(submitted.job),
            Err(error) => {
                assert_eq!(error.kind, Kind::Full, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "the disk was not full");
    disk.empty();
    for place in 0..5 {
        let after = store.submit(large_job(&format!("after-{place}"))).await;
        kept.push(after.unwrap().job);
    }
    drop(store);
    let again = super::open(&path, full).await.unwrap();
    for job in &kept {
        assert_eq!(again.job(&job.id).await.unwrap().as_ref(), Some(job));
    }
}
