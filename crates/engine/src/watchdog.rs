//! The watchdog: a queue that stands still before workers that could take from it is an error of ours. It is told, and the workers are
//! started anew. Does not know how it could happen; nothing else relies on it.

use crate::{house::House, pool::Pool};
use onstage_core::model::VersionId;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How often queues are looked at; seldom, so that an idle front stays idle.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What is seen of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Somebody waits, and there is a worker.
    pub should_move: bool,
    /// Microbatches taken and predictions ended so far.
    pub moved: u64,
}

/// Since when nothing moved although it should.
#[derive(Debug, Default)]
struct Still {
    moved: u64,
    since: Option<Duration>,
}

impl Still {
    /// True when nothing moved for `most`; it then counts anew.
    fn look(&mut self, now: Duration, seen: Seen, most: Duration) -> bool {
        if !seen.should_move || seen.moved != self.moved {
            self.moved = seen.moved;
            self.since = seen.should_move.then_some(now);
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let stands = now.saturating_sub(since) >= most;
        if stands {
            self.since = Some(now);
        }
        stands
    }
}

pub(crate) async fn run(house: Arc<House>, every: Duration, stop: CancellationToken) {
    let mut all: HashMap<VersionId, (Weak<Pool>, Still)> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let pools = house.all();
        all.retain(|_, (pool, _)| pool.strong_count() > 0);
        for pool in pools {
            let known = all.entry(pool.loaded.version.id.clone()).or_default();
            if known.0.as_ptr() != Arc::as_ptr(&pool) {
                *known = (Arc::downgrade(&pool), Still::default());
            }
            look(&pool, &mut known.1);
        }
    }
}

fn look(pool: &Arc<Pool>, still: &mut Still) {
    // Twice what a microbatch may take at most; a busy worker has moved within that, or was killed.
    let most = 2 * (pool.loaded.version.config.realtime.timeout.0 + pool.cancel_grace());
    if !still.look(pool.clock.monotonic(), pool.seen_moving(), most) {
        return;
    }
    let version = pool.loaded.version.number;
    tracing::error!(model = %pool.loaded.model, version, "its queue stood still before workers that were ready; they are replaced");
    pool.replace_workers();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn seen(should_move: bool, moved: u64) -> Seen {
        Seen { should_move, moved }
    }

    #[test]
    fn only_a_queue_that_stands_for_the_whole_time_is_found() {
        let mut still = Still::default();
        assert!(!still.look(at(0), seen(true, 3), at(10)));
        assert!(!still.look(at(9), seen(true, 3), at(10)));
        assert!(!still.look(at(10), seen(true, 4), at(10)), "it moved");
        assert!(!still.look(at(19), seen(true, 4), at(10)));
        assert!(still.look(at(20), seen(true, 4), at(10)));
        assert!(!still.look(at(21), seen(true, 4), at(10)), "told once");
        assert!(still.look(at(30), seen(true, 4), at(10)));
    }

    #[test]
    fn an_empty_queue_may_stand() {
        let mut still = Still::default();
        for second in 0..100 {
            assert!(!still.look(at(second), seen(false, 0), at(10)));
        }
        assert!(!still.look(at(100), seen(true, 0), at(10)));
        assert!(!still.look(at(109), seen(true, 0), at(10)));
        assert!(still.look(at(110), seen(true, 0), at(10)));
    }
}
