//! Random histories of one batch job whose rows many tasks share, played on two stores, which must answer the same.
//! Must not decide what is right; the rules of `onstage_core::shares` have their own property test.

use crate::store::suite::make::{self, at, chunk_of, id, owner};
use onstage_core::{
    Kind, Result,
    job::Lease,
    lifecycle::RunEnd,
    model::VersionId,
    ports::{Demand, RunningJob, Store},
    shares::{ShareStep, Shares},
};
use proptest::{collection::vec, prelude::*};
use std::fmt::Debug;

const SEQUENCES: u32 = 150;
const STEPS: usize = 40;
const ACTORS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    Claim,
    Open { rows: u64, wanted: u32 },
    Want(u32),
    Help,
    Take,
    Commit { rows: u64 },
    Done,
    Leave { unable: bool },
    Beat,
    Expire { late: u64 },
    HandBack,
    Succeed,
    Cancel,
}

fn any_step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        6 => Just(Step::Beat),
        4 => Just(Step::Claim),
        4 => (1..60_u64, 0..4_u32).prop_map(|(rows, wanted)| Step::Open { rows, wanted }),
        1 => (0..4_u32).prop_map(Step::Want),
        8 => Just(Step::Help),
        8 => Just(Step::Take),
        8 => (1..12_u64).prop_map(|rows| Step::Commit { rows }),
        2 => Just(Step::Done),
        2 => any::<bool>().prop_map(|unable| Step::Leave { unable }),
        3 => (0..2_u64).prop_map(|late| Step::Expire { late }),
        1 => Just(Step::HandBack),
        1 => Just(Step::Succeed),
        1 => Just(Step::Cancel),
    ];
    (0..ACTORS, step)
}

/// What a store shows of itself after a step.
#[derive(Debug, PartialEq)]
struct Seen {
    answer: String,
    shares: Option<Shares>,
    running: Vec<RunningJob>,
    demand: Vec<Demand>,
    chunks: usize,
    state: &'static str,
}

#[test]
fn both_stores_share_out_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let durability = crate::store::sql::Durability::Process;
    let sqlite = runtime.block_on(crate::store::sql::open(&path, durability));
    let (sqlite, world) = (sqlite.unwrap(), std::cell::Cell::new(0));
    let config = ProptestConfig {
        cases: SEQUENCES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in vec(any_step(), STEPS))| {
        world.set(world.get() + 1);
        let memory = crate::store::memory();
        runtime.block_on(async {
            let mut plays = [Play::new(&*memory, world.get()).await, Play::new(&sqlite, world.get()).await];
            for (actor, step) in &steps {
                let [first, second] = &mut plays;
                let seen = [first.step(*actor, step).await, second.step(*actor, step).await];
                prop_assert_eq!(&seen[0], &seen[1], "after {:?} of actor {}", step, actor);
            }
            Ok(())
        })?;
    });
}

struct Play<'a> {
    store: &'a dyn Store,
    world: u64,
    leases: [Option<Lease>; ACTORS],
    next: [u64; ACTORS],
}

impl<'a> Play<'a> {
    async fn new(store: &'a dyn Store, world: u64) -> Self {
        let play = Self {
            store,
            world,
            leases: Default::default(),
            next: [0; ACTORS],
        };
        let new = onstage_core::job::NewJob {
            version: play.version(),
            ..make::new_batch(&play.name())
        };
        make::models(store).await;
        store.submit(new).await.unwrap();
        play
    }

    fn name(&self) -> String {
        format!("w{}", self.world)
    }

    fn version(&self) -> VersionId {
        VersionId(format!("world {}", self.world))
    }

    async fn step(&mut self, actor: usize, step: &Step) -> Seen {
        let answer = self.act(actor, step).await;
        let job = id(&self.name());
        let version = self.version();
        let mut running = self.store.running().await.unwrap();
        running.retain(|one| one.version == version);
        running.sort_by(|a, b| a.lease.owner.cmp(&b.lease.owner));
        let mut demand = self.store.demand(at(1_000)).await.unwrap();
        demand.retain(|one| one.version == version);
        let record = self.store.job(&job).await.unwrap().unwrap();
        Seen {
            answer,
            shares: self.store.shares(&job).await.unwrap(),
            running,
            demand,
            chunks: self.store.chunks(&job).await.unwrap().len(),
            state: record.state.name(),
        }
    }

    async fn act(&mut self, actor: usize, step: &Step) -> String {
        let (store, who) = (self.store, owner(&format!("actor {actor}")));
        match step {
            Step::Claim => {
                let jobs = store.claim(&self.version(), &who, 1, at(1_000)).await;
                let jobs = jobs.unwrap();
                if let Some(job) = jobs.first() {
                    self.leases[actor] = job.lease();
                }
                return format!("{}", jobs.len());
            }
            Step::Help => {
                let found = store.help(&self.version(), &who).await.unwrap();
                let lease = found.map(|(_, lease)| lease);
                if lease.is_some() {
                    self.leases[actor].clone_from(&lease);
                }
                return format!("{lease:?}");
            }
            Step::Cancel => {
                let job = id(&self.name());
                let job = store.request_cancel(&job, at(1_000)).await.unwrap();
                return job.state.name().to_owned();
            }
            _ => {}
        }
        let Some(lease) = self.leases[actor].clone() else {
            return String::new();
        };
        let share = match step {
            Step::Open { rows, wanted } => ShareStep::Open {
                free: std::iter::once(0..*rows).collect(),
                share_rows: 7,
                wanted: *wanted,
            },
            Step::Want(wanted) => ShareStep::Want(*wanted),
            Step::Take => ShareStep::Take { known: Vec::new() },
            Step::Done => ShareStep::Done {
                end: self.next[actor],
            },
            Step::Leave { unable } => ShareStep::Leave { unable: *unable },
            other => return self.write(actor, &lease, other).await,
        };
        let shares = store.share(&lease, share).await;
        if let Ok(Some(shares)) = &shares
            && let Some(mine) = shares.unknown_share(&lease.owner, &[])
        {
            self.next[actor] = mine.rows.start;
        }
        told(&shares)
    }

    async fn write(&mut self, actor: usize, lease: &Lease, step: &Step) -> String {
        let store = self.store;
        let end = |end| store.finish(lease, end, RETRY, 0.0, at(1_000));
        match step {
            Step::Commit { rows } => {
                let first = self.next[actor];
                let chunk = chunk_of(first..first + rows, lease.run);
                let done = store.commit_chunk(lease, chunk).await;
                if done.is_ok() {
                    self.next[actor] = first + rows;
                }
                told(&done)
            }
            Step::Beat => told(&store.beat(lease, make::beat()).await),
            Step::Expire { late } => {
                let running = store.running().await.unwrap();
                let seen = running.iter().find(|one| one.lease == *lease);
                let beat = seen.map_or(0, |one| one.beat.saturating_sub(*late));
                let job = store.expire(lease, beat, make::lost_worker(), at(1_000));
                told(&job.await.map(|job| job.state.name()))
            }
            Step::HandBack => told(&end(RunEnd::HandedBack).await.map(|job| job.run)),
            _ => told(&end(make::output("1")).await.map(|job| job.run)),
        }
    }
}

const RETRY: &onstage_core::lifecycle::RetryPolicy = &onstage_core::lifecycle::RetryPolicy {
    retries: 0,
    retry_on: Vec::new(),
};

fn told<T: Debug>(answer: &Result<T>) -> String {
    let kind = |error: &onstage_core::Error| -> Kind { error.kind };
    format!("{:?}", answer.as_ref().map_err(kind))
}
