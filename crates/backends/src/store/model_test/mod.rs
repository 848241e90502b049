//! Random histories of jobs, played on a store and on a simple model of it, which must agree at every step.
//! Knows only the `Store` port; actors may hold leases they lost long ago, and time is simulated.

mod aliases;
mod model;
mod play;
mod shares;
mod step;

use super::suite::{make, places};
use crate::clock;
use onstage_core::ports::Store;
use proptest::{
    collection::vec,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

const SEQUENCES: u32 = 10_000;
/// On a server every step is a transaction of its own, with its ways to and fro.
const SERVER_SEQUENCES: u32 = 160;
const STEPS: usize = 50;
/// Sequences that run at the same time on one store; on a file they share its commits.
const PLAYERS: u32 = 16;
/// The seed of a failure to play again; `None` plays new ones.
const REPLAY_SEED: Option<u128> = None;

#[test]
fn memory_agrees_with_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let seed = REPLAY_SEED.unwrap_or_else(clock::entropy);
    sequences(seed, SEQUENCES, |steps| {
        let store = crate::store::memory();
        runtime.block_on(async {
            make::models(&*store).await;
            play::play(&*store, 0, steps).await
        })
    });
}

#[test]
fn sqlite_agrees_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let durability = crate::store::sql::Durability::Process;
    let store = async {
        let store = crate::store::sql::open(&path, durability).await;
        Arc::new(store.unwrap()) as Arc<dyn Store>
    };
    agrees_with_the_model("SQLite", SEQUENCES, store);
}

#[test]
fn postgres_agrees_with_the_model() {
    let store = async { places::postgres().await.open().await };
    agrees_with_the_model("PostgreSQL", SERVER_SEQUENCES, store);
}

#[test]
fn mysql_agrees_with_the_model() {
    let store = async { places::mysql().await.open().await };
    agrees_with_the_model("MariaDB", SERVER_SEQUENCES, store);
}

fn agrees_with_the_model(name: &str, wanted: u32, store: impl Future<Output = Arc<dyn Store>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(store);
    runtime.block_on(make::models(&*store));
    let next = AtomicU64::new(0);
    let seed = REPLAY_SEED.unwrap_or_else(clock::entropy);
    std::thread::scope(|scope| {
        for player in 0..PLAYERS {
            let (store, next, handle) = (&store, &next, runtime.handle());
            scope.spawn(move || {
                let seed = seed.wrapping_add(u128::from(player));
                sequences(seed, wanted / PLAYERS, |steps| {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    handle.block_on(play::play(&**store, world, steps))
                });
            });
        }
    });
    let played = next.load(Ordering::Relaxed);
    println!("played {played} sequences of {STEPS} steps on {name}");
    assert!(played >= u64::from(wanted));
}

/// Plays random sequences; panics with the shortest that fails, and its seed.
fn sequences(
    seed: u128,
    count: u32,
    play: impl Fn(&[step::Step]) -> Result<(), proptest::test_runner::TestCaseError>,
) {
    let config = Config {
        cases: count,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);
    let outcome = runner.run(&vec(step::any(), STEPS), |steps| play(&steps));
    if let Err(failure) = outcome {
        panic!("seed {seed}: {failure}");
    }
}
