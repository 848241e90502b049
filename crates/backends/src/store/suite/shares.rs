//! Cases about batch jobs whose rows many tasks share: who may help, what helpers hold, and what is left when they go.

use super::make::{
    self, at, chunk_of, claim_again, id, kind_of, lost_worker, new_batch, owner, policy, version,
};
use onstage_core::{
    Kind,
    job::{Lease, NewJob},
    lifecycle::RunEnd,
    ports::Store,
    shares::{ShareStep, Shares},
};
use std::ops::Range;

async fn opened(store: &dyn Store, rows: u64, wanted: u32) -> Lease {
    store.submit(new_batch("1")).await.unwrap();
    let lease = claim_again(store, &id("1"), 200).await.lease().unwrap();
    let open = ShareStep::Open {
        free: std::iter::once(0..rows).collect(),
        share_rows: 10,
        wanted,
    };
    store.share(&lease, open).await.unwrap().unwrap();
    lease
}

async fn help(store: &dyn Store, who: &str) -> Option<Lease> {
    let found = store.help(&version("v-one"), &owner(who)).await.unwrap();
    found.map(|(job, lease)| {
        assert_eq!((job.id, job.run), (lease.job.clone(), lease.run));
        lease
    })
}

async fn take(store: &dyn Store, lease: &Lease) -> Option<Range<u64>> {
    let step = ShareStep::Take { known: Vec::new() };
    let shares = store.share(lease, step).await.unwrap().unwrap();
    let share = shares.unknown_share(&lease.owner, &[]);
    share.map(|share| share.rows.clone())
}

/// Places for helpers that nobody has, and helpers.
async fn seats(store: &dyn Store) -> (u64, u64) {
    let demand = &store.demand(at(999)).await.unwrap()[0];
    (demand.help, demand.helpers)
}

async fn shares(store: &dyn Store) -> Shares {
    store.shares(&id("1")).await.unwrap().unwrap()
}

pub(super) async fn helpers_are_taken_in_where_there_is_use_for_them(store: &dyn Store) {
    assert_eq!(help(store, "early").await, None);
    let lease = opened(store, 100, 2).await;
    assert_eq!(seats(store).await, (2, 0));
    let elsewhere = store.help(&version("other"), &owner("b")).await.unwrap();
    assert!(elsewhere.is_none());
    assert!(help(store, "me").await.is_none(), "nobody helps itself");
    let helper = help(store, "b").await.unwrap();
    assert_eq!(help(store, "b").await.as_ref(), Some(&helper), "once");
    assert_eq!(seats(store).await, (1, 1));
    help(store, "c").await.unwrap();
    assert_eq!(help(store, "d").await, None, "no seat is free");
    store.share(&lease, ShareStep::Want(3)).await.unwrap();
    help(store, "d").await.unwrap();
    let unable = ShareStep::Leave { unable: true };
    store.share(&helper, unable).await.unwrap();
    assert_eq!(help(store, "b").await, None, "it could not help");
    help(store, "e").await.unwrap();
    let owners = store.running().await.unwrap();
    let mut owners: Vec<String> = owners.into_iter().map(|one| one.lease.owner.0).collect();
    owners.sort();
    assert_eq!(owners, ["c", "d", "e", "me"]);
}

pub(super) async fn every_row_is_shared_out_once(store: &dyn Store) {
    const ROWS: u64 = 205;
    let lease = opened(store, ROWS, 4).await;
    let mut leases = vec![lease];
    for who in ["b", "c", "d", "e"] {
        leases.push(help(store, who).await.unwrap());
    }
    let works = leases.iter().map(|lease| async move {
        let mut rows = 0;
        while let Some(share) = take(store, lease).await {
            // In two chunks, and the first twice: its answer got lost.
            let half = share.start + (share.end - share.start).div_ceil(2);
            for rows in [share.start..half, share.start..half, half..share.end] {
                let chunk = chunk_of(rows.clone(), 1);
                if !rows.is_empty() {
                    store.commit_chunk(lease, chunk).await.unwrap();
                }
            }
            rows += share.end - share.start;
        }
        rows
    });
    let rows = futures::future::join_all(works).await;
    assert_eq!(rows.iter().sum::<u64>(), ROWS);
    let after = shares(store).await;
    assert!(after.free.is_empty() && after.taken.is_empty());
    assert_eq!(after.helped.done, ROWS - rows[0]);
    let chunks = store.chunks(&id("1")).await.unwrap();
    let mut next = 0;
    for chunk in &chunks {
        assert_eq!(chunk.first_row, next, "in order and once each");
        next += chunk.rows;
    }
    assert_eq!(next, ROWS);
}

pub(super) async fn what_a_gone_helper_had_is_free_again(store: &dyn Store) {
    let lease = opened(store, 20, 1).await;
    let helper = help(store, "b").await.unwrap();
    assert_eq!(take(store, &helper).await, Some(0..10));
    let event = vec![make::event("{}")];
    let job = id("1");
    let said = store.append_events(&job, Some(&helper), event.clone());
    said.await.unwrap();
    let chunk = chunk_of(0..4, 1);
    store.commit_chunk(&helper, chunk).await.unwrap();
    let stolen = store.commit_chunk(&helper, chunk_of(10..20, 1)).await;
    assert_eq!(kind_of(stolen), Kind::Lost, "these rows are not its own");
    assert!(!store.beat(&helper, make::beat()).await.unwrap());
    let alive = store.expire(&helper, 0, lost_worker(), at(300)).await;
    assert_eq!(kind_of(alive), Kind::Conflict);
    let job = store.expire(&helper, 1, lost_worker(), at(300)).await;
    let job = job.unwrap();
    assert_eq!(job.lease().as_ref(), Some(&lease), "the run goes on");
    assert_eq!((job.attempts, job.restarts), (0, 0));

    let take_more = ShareStep::Take { known: Vec::new() };
    for kind in [
        kind_of(store.beat(&helper, make::beat()).await),
        kind_of(store.commit_chunk(&helper, chunk_of(4..10, 1)).await),
        kind_of(store.share(&helper, take_more).await),
        kind_of(store.expire(&helper, 1, lost_worker(), at(300)).await),
        kind_of(store.append_events(&id("1"), Some(&helper), event).await),
        kind_of(
            store
                .finish(&helper, RunEnd::HandedBack, &policy(), 0.0, at(300))
                .await,
        ),
    ] {
        assert_eq!(kind, Kind::Lost);
    }
    assert_eq!(take(store, &lease).await, Some(4..14));
    assert_eq!(shares(store).await.free.first(), Some(&(14..20)));
}

pub(super) async fn helpers_go_with_the_run(store: &dyn Store) {
    let lease = opened(store, 100, 2).await;
    let helper = help(store, "b").await.unwrap();
    take(store, &helper).await.unwrap();
    let policy = policy();
    let back = store.finish(&lease, RunEnd::HandedBack, &policy, 0.0, at(300));
    back.await.unwrap();
    assert_eq!(store.shares(&id("1")).await.unwrap(), None);
    assert!(store.running().await.unwrap().is_empty());
    let late = store.commit_chunk(&helper, chunk_of(0..10, 1)).await;
    assert_eq!(kind_of(late), Kind::Lost);
    let second = claim_again(store, &id("1"), 400).await.lease().unwrap();
    assert_eq!(second.run, 2);
    assert_eq!(
        kind_of(store.beat(&helper, make::beat()).await),
        Kind::Lost,
        "it helped another run"
    );
    assert_eq!(help(store, "b").await, None, "the new run has not opened");
}

pub(super) async fn a_cancel_reaches_helpers(store: &dyn Store) {
    let lease = opened(store, 100, 2).await;
    let helper = help(store, "b").await.unwrap();
    store.request_cancel(&id("1"), at(300)).await.unwrap();
    assert!(store.beat(&helper, make::beat()).await.unwrap());
    assert_eq!(help(store, "c").await, None);
    let policy = policy();
    let end = store.finish(&lease, RunEnd::Canceled, &policy, 0.0, at(310));
    end.await.unwrap();
    assert_eq!(kind_of(store.beat(&helper, make::beat()).await), Kind::Lost);
    let other = NewJob {
        id: id("2"),
        ..new_batch("2")
    };
    store.submit(other).await.unwrap();
    store.delete_job(&id("1")).await.unwrap();
}
