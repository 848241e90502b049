//! Figures of the SQLite store on this machine, printed on demand:
//! `cargo test -p onstage-backends --lib store_figures -- --ignored --nocapture`.

use super::make::{at, id, models, new_job, output, owner, policy, version};
use crate::clock::SystemClock;
use onstage_core::{Clock, ports::Store};

const SUBMITTERS: u32 = 64;
const SUBMISSIONS_EACH: u32 = 100;
const JOBS_ALONE: usize = 500;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and so says nothing about right or wrong"]
async fn store_figures() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::sqlite(&folder.path().join("store.db"))
        .await
        .unwrap();
    let store: &dyn Store = &*store;
    models(store).await;
    let clock = SystemClock::new();

    let start = clock.monotonic();
    let submitter = |who: u32| async move {
        for n in 0..SUBMISSIONS_EACH {
            store.submit(new_job(&format!("{who}-{n}"))).await.unwrap();
        }
    };
    futures::future::join_all((0..SUBMITTERS).map(submitter)).await;
    let took = (clock.monotonic() - start).as_secs_f64();
    let jobs = f64::from(SUBMITTERS * SUBMISSIONS_EACH);
    println!(
        "{SUBMITTERS} submitters: {:.0} durable submissions/s",
        jobs / took
    );

    let start = clock.monotonic();
    for _ in 0..JOBS_ALONE {
        let claimed = store
            .claim(&version("v-one"), &owner("me"), 1, at(200))
            .await
            .unwrap();
        let lease = claimed[0].lease().unwrap();
        store
            .finish(&lease, output("1"), &policy(), 0.0, at(300))
            .await
            .unwrap();
    }
    let took = (clock.monotonic() - start).as_secs_f64();
    println!(
        "one actor: {:.0} claims with their finish/s",
        JOBS_ALONE as f64 / took
    );

    let start = clock.monotonic();
    for n in 0..JOBS_ALONE {
        store.submit(new_job(&format!("alone{n}"))).await.unwrap();
    }
    let took = (clock.monotonic() - start).as_secs_f64();
    println!(
        "one submitter: {:.0} durable submissions/s",
        JOBS_ALONE as f64 / took
    );
    assert!(store.job(&id("alone1")).await.unwrap().is_some());
}
