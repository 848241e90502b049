//! Shares under helpers that come, die and lose their answers.

use super::*;
use crate::{
    Kind, Timestamp,
    batch::{BatchSpec, TableFormat},
    job::{JobSpec, NewJob},
    lifecycle,
    model::VersionId,
    value::BlobRef,
};
use proptest::prelude::*;

fn blob() -> BlobRef {
    BlobRef {
        key: "files/t".into(),
        size_bytes: 1,
        sha256: String::new(),
    }
}

fn who(name: &str) -> Incarnation {
    Incarnation(name.to_owned())
}

fn job() -> (Job, Lease) {
    let spec = BatchSpec {
        table: blob(),
        table_name: "t.csv".into(),
        format: TableFormat::Csv,
        map: std::collections::BTreeMap::new(),
        label: None,
        limit_rows: None,
        only_rows_of: None,
        files: None,
        dataset: None,
    };
    let mut job = lifecycle::submitted(NewJob {
        id: "job-00001".parse().unwrap(),
        model: "lab/age".parse().unwrap(),
        version: VersionId("v".into()),
        version_number: 1,
        spec: JobSpec::Batch(spec),
        urgency: crate::fair::Urgency::default(),
        webhook: None,
        by: "person-1".parse().unwrap(),
        source: "api".into(),
        created_at: Timestamp(0),
        claimed_by: None,
        idempotency: None,
    });
    let lease = lifecycle::claim(&mut job, who("main"), Timestamp(1)).unwrap();
    (job, lease)
}

fn opened(job: &Job, lease: &Lease, rows: u64, wanted: u32) -> Shares {
    let open = ShareStep::Open {
        free: std::iter::once(0..rows).collect(),
        share_rows: 10,
        wanted,
    };
    step(job, None, lease, open).unwrap().unwrap()
}

fn take(job: &Job, shares: Shares, lease: &Lease, known: &[u64]) -> (Shares, Option<Share>) {
    let known = known.to_vec();
    let step_ = ShareStep::Take {
        known: known.clone(),
    };
    let shares = step(job, Some(shares), lease, step_).unwrap().unwrap();
    let got = shares.unknown_share(&lease.owner, &known).cloned();
    (shares, got)
}

fn chunk(rows: Range<u64>, run: u32) -> Chunk {
    let done = rows.end - rows.start;
    Chunk {
        index: rows.start,
        first_row: rows.start,
        rows: done,
        counts: Counts {
            done,
            ..Counts::default()
        },
        blob: blob(),
        run,
    }
}

#[test]
fn what_a_dead_helper_has_not_committed_is_free_again() {
    let (job, lease) = job();
    let mut shares = opened(&job, &lease, 25, 1);
    let helper = shares.join(&job, &who("b")).unwrap();
    assert_eq!(shares.join(&job, &who("c")), None, "one seat");
    let (mut shares, got) = take(&job, shares, &helper, &[]);
    assert_eq!(got.unwrap().rows, 0..10);
    shares.committed(&helper, &chunk(0..4, 1)).unwrap();
    let again = shares.committed(&helper, &chunk(0..4, 1));
    assert_eq!(
        again.unwrap_err().kind,
        Kind::Lost,
        "not the beginning of what it has"
    );
    shares.beat(&helper).unwrap();
    assert!(shares.expire(&helper, 0).is_err(), "its beat moved");
    shares.expire(&helper, 1).unwrap();
    assert_eq!(shares.free, [4..25]);
    assert_eq!((shares.helped.done, shares.seats()), (4, 1));
    assert!(shares.beat(&helper).is_err());
    assert!(check_lease(&job, Some(&shares), &helper).is_err());
    let taken = step(
        &job,
        Some(shares),
        &helper,
        ShareStep::Take { known: vec![] },
    );
    assert!(taken.is_err());
}

#[test]
fn a_share_whose_answer_got_lost_is_given_again() {
    let (job, lease) = job();
    let shares = opened(&job, &lease, 100, 1);
    let (shares, first) = take(&job, shares, &lease, &[]);
    let (shares, again) = take(&job, shares, &lease, &[]);
    assert_eq!(first, again);
    let (_, second) = take(&job, shares, &lease, &[10]);
    assert_eq!(second.unwrap().rows, 10..20);
}

#[test]
fn helpers_of_a_run_that_is_over_are_lost() {
    let (mut job, lease) = job();
    let mut shares = opened(&job, &lease, 100, 2);
    let helper = shares.join(&job, &who("b")).unwrap();
    check_lease(&job, Some(&shares), &helper).unwrap();
    lifecycle::finish(
        &mut job,
        &lease,
        lifecycle::RunEnd::HandedBack,
        &lifecycle::RetryPolicy {
            retries: 0,
            retry_on: vec![],
        },
        0.0,
        Timestamp(2),
    )
    .unwrap();
    assert!(check_lease(&job, Some(&shares), &helper).is_err());
    lifecycle::claim(&mut job, who("c"), Timestamp(3)).unwrap();
    assert!(check_lease(&job, Some(&shares), &helper).is_err());
    assert_eq!(shares.join(&job, &who("d")), None);
}

#[test]
fn nobody_joins_a_job_that_is_being_canceled_nor_one_it_could_not_help() {
    let (mut job, lease) = job();
    let mut shares = opened(&job, &lease, 100, 2);
    let helper = shares.join(&job, &who("b")).unwrap();
    let left = step(
        &job,
        Some(shares),
        &helper,
        ShareStep::Leave { unable: true },
    );
    let mut shares = left.unwrap().unwrap();
    assert_eq!(shares.join(&job, &who("b")), None);
    assert_eq!(shares.join(&job, &who("main")), None, "nobody helps itself");
    lifecycle::request_cancel(&mut job, Timestamp(2));
    assert_eq!(shares.join(&job, &who("c")), None);
}

#[test]
fn gaps_are_what_no_chunk_covers() {
    let chunks = [chunk(10..20, 1), chunk(0..5, 1), chunk(20..30, 1)];
    assert_eq!(gaps(&chunks, 40), [5..10, 30..40]);
    assert_eq!(gaps(&chunks, 30), [5..10]);
    assert_eq!(gaps(&chunks, 8), [5..8]);
    assert_eq!(gaps(&[], u64::MAX), [0..u64::MAX]);
    assert_eq!(gaps(&chunks[..0], 0), []);
}

proptest! {
    /// Whatever helpers do and whenever they die, every row is committed exactly once.
    #[test]
    fn every_row_is_committed_once(
        rows in 1_u64..300,
        moves in prop::collection::vec((0_u8..5, 0_u8..4, 1_u64..15), 0..300),
    ) {
        let (job, lease) = job();
        let mut shares = opened(&job, &lease, rows, 3);
        let mut done: Vec<Chunk> = Vec::new();
        let mut leases: [Option<Lease>; 5] = [Some(lease), None, None, None, None];
        let moves = moves.into_iter().chain((0..1_000).flat_map(|_| [(0, 1, 10), (0, 2, 10)]));
        for (actor, what, much) in moves {
            let name = who(&format!("actor {actor}"));
            let Some(lease) = leases[usize::from(actor)].clone() else {
                leases[usize::from(actor)] = shares.join(&job, &name);
                continue;
            };
            let mine = shares.taken.iter().find(|share| share.owner == lease.owner).cloned();
            match (what, mine) {
                (0, _) if actor > 0 => {
                    let beat = shares.helpers.iter().find(|one| one.owner == name).unwrap().beat;
                    shares.expire(&lease, beat).unwrap();
                    // It may not know: what it writes from now on is refused.
                    prop_assert!(check_lease(&job, Some(&shares), &lease).is_err());
                    leases[usize::from(actor)] = None;
                }
                (1, None) => shares = take(&job, shares, &lease, &[]).0,
                (2, Some(share)) => {
                    let end = share.rows.end.min(share.rows.start + much);
                    let chunk = chunk(share.rows.start..end, 1);
                    shares.committed(&lease, &chunk).unwrap();
                    done.push(chunk);
                }
                (3, _) if actor > 0 => {
                    shares = step(&job, Some(shares), &lease, ShareStep::Leave { unable: false }).unwrap().unwrap();
                    leases[usize::from(actor)] = None;
                }
                _ => { if actor > 0 { shares.beat(&lease).unwrap(); } }
            }
        }
        // Those who neither died nor went are reaped now; the job's own run does what they left.
        for helper in shares.helpers.clone() {
            let lease = Lease { owner: helper.owner, ..leases[0].clone().unwrap() };
            shares.expire(&lease, helper.beat).unwrap();
        }
        let main = leases[0].clone().unwrap();
        while let (next, Some(share)) = take(&job, shares.clone(), &main, &[]) {
            shares = next;
            let chunk = chunk(share.rows, 1);
            shares.committed(&main, &chunk).unwrap();
            done.push(chunk);
        }
        prop_assert!(shares.taken.is_empty() && shares.free.is_empty());
        prop_assert_eq!(gaps(&done, rows), []);
        prop_assert_eq!(done.iter().map(|chunk| chunk.rows).sum::<u64>(), rows);
    }
}
