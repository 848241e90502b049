//! Leases while the wall clock jumps: only the reaper's own monotonic clock says that a run is dead.
//! Time is moved by hand, each of the two clocks by itself.

use super::world::{World, world};
use onstage_core::{
    Clock, Timestamp, job::Lease, lifecycle::Beat, outcome::Phase, task::Incarnation,
};
use onstage_engine::reaper::{self, LEASE_S, Reaper};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const JUMPS: [i64; 6] = [
    HOUR,
    -10 * MINUTE,
    24 * HOUR,
    -HOUR,
    -24 * HOUR,
    10 * MINUTE,
];
/// As often as a task beats, in seconds.
const BEAT_EVERY_S: u64 = 4;

/// Two clocks, as a machine has them.
struct TwoClocks {
    wall_ms: AtomicI64,
    monotonic_s: AtomicU64,
}

impl Clock for TwoClocks {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall_ms.load(SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.monotonic_s.load(SeqCst))
    }
}

impl TwoClocks {
    /// A second goes by, at whose end the wall clock is set to something else.
    fn tick(&self, second: u64) {
        self.monotonic_s.fetch_add(1, SeqCst);
        let jump = JUMPS[second as usize % JUMPS.len()];
        self.wall_ms.fetch_add(1_000 + jump, SeqCst);
    }
}

async fn running(world: &World) -> Lease {
    world.predict(json!({"x": 1})).await;
    let (store, owner) = (&world.parts.store, Incarnation("task-1".into()));
    let now = world.parts.clock.now();
    let claimed = store.claim(&world.version, &owner, 1, now).await.unwrap();
    claimed[0].lease().unwrap()
}

#[tokio::test]
async fn a_clock_that_jumps_ends_no_lease_early_and_none_late() {
    let mut world = world(json!({})).await;
    let clock = Arc::new(TwoClocks {
        wall_ms: AtomicI64::new(world.parts.clock.now().0),
        monotonic_s: AtomicU64::new(0),
    });
    world.parts.clock = clock.clone();
    let lease = running(&world).await;
    let mut reaper = Reaper::new(world.parts.clone(), reaper::Settings::default());
    for second in 0..300 {
        clock.tick(second);
        if second % BEAT_EVERY_S == 0 {
            let said = Beat {
                phase: Phase::Running,
                progress: None,
            };
            world.parts.store.beat(&lease, said).await.unwrap();
        }
        let ended = reaper.turn().await.unwrap();
        assert_eq!(ended, 0, "a run that beats was ended at {second} s");
    }
    // The last beat was seen some seconds ago.
    let mut silent = 0;
    while reaper.turn().await.unwrap() == 0 {
        clock.tick(silent);
        silent += 1;
        assert!(silent <= LEASE_S, "a dead run goes on");
    }
    assert!(silent + BEAT_EVERY_S >= LEASE_S, "after {silent} s");
    assert_eq!(world.job(&lease.job).await.state.name(), "queued");
}
