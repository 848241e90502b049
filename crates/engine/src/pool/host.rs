//! The limit on workers of all versions on this host, and who gives one up when another version needs room.
//! Does not know what the workers do.

use super::Pool;
use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

pub(crate) struct Host {
    workers: AtomicU32,
    workers_max: u32,
    pools: Mutex<Vec<Weak<Pool>>>,
}

/// The right to have one worker; given back when dropped.
pub(crate) struct Room(Arc<Host>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Host {
    pub(crate) fn new(workers_max: u32) -> Arc<Self> {
        Arc::new(Self {
            workers: AtomicU32::new(0),
            workers_max: workers_max.max(1),
            pools: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    pub(crate) fn free(&self) -> usize {
        self.workers_max
            .saturating_sub(self.workers.load(Ordering::Relaxed)) as usize
    }

    pub(crate) fn take(self: &Arc<Self>) -> Option<Room> {
        self.workers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |workers| {
                (workers < self.workers_max).then_some(workers + 1)
            })
            .ok()
            .map(|_| Room(self.clone()))
    }

    /// A place over the limit, for the first worker of a version that takes over from one that fills the host:
    /// there is at most one for each rollout, and the old version's places come free after it.
    pub(crate) fn take_beyond(self: &Arc<Self>) -> Room {
        self.workers.fetch_add(1, Ordering::Relaxed);
        Room(self.clone())
    }

    /// Puts the worker to sleep that was idle for longest, of any version; its room comes free when it is gone.
    pub(crate) fn make_room(&self) {
        let pools: Vec<_> = self.pools().iter().filter_map(Weak::upgrade).collect();
        if pools.iter().any(|pool| pool.has_stopping()) {
            // One is on its way out already.
            return;
        }
        let idle = pools
            .into_iter()
            .filter_map(|pool| Some((pool.idle_longest()?, pool)))
            .min_by_key(|(since, _): &((bool, Duration), _)| *since);
        if let Some((_, pool)) = idle {
            pool.give_up_one();
        }
    }

    fn pools(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Pool>>> {
        self.pools
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
