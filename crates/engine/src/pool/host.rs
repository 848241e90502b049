//! The places for workers of all versions on this host, and who gives one up when another version needs it.
//! Does not know what the workers do.

use super::Pool;
use crate::packing::{Lack, Need, Packing, Share};
use onstage_core::ports::{HostMemory, Launcher};
use std::{
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

pub(crate) struct Host {
    packing: Mutex<Packing>,
    launcher: Arc<dyn Launcher>,
    pools: Mutex<Vec<Weak<Pool>>>,
}

/// The right to have one worker; given back when dropped.
pub(crate) struct Room {
    host: Arc<Host>,
    share: Mutex<Share>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.host.packing().give_back(&lock(&self.share));
    }
}

impl Room {
    /// For `CUDA_VISIBLE_DEVICES`, when the model says what it needs.
    pub(crate) fn devices(&self) -> Option<String> {
        self.host.packing().devices(&lock(&self.share))
    }

    /// The worker was measured.
    pub(crate) fn seen_in_use(&self, bytes: u64) {
        self.host
            .packing()
            .seen_in_use(&mut lock(&self.share), bytes);
    }

    /// What was on trial stays, if there is a place.
    pub(crate) fn count(&self) -> bool {
        self.host.packing().count(&mut lock(&self.share))
    }
}

impl Host {
    pub(crate) fn new(workers_max: u32, gpus: &[String], launcher: Arc<dyn Launcher>) -> Arc<Self> {
        Arc::new(Self {
            packing: Mutex::new(Packing::new(workers_max, gpus)),
            launcher,
            pools: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// How many such workers have a place now.
    pub(crate) fn room_for(&self, need: &Need, most: usize) -> usize {
        self.packing().room_for(need, self.memory(), most)
    }

    pub(crate) fn take(self: &Arc<Self>, need: &Need) -> Result<Room, Lack> {
        let share = self.packing().take(need, self.memory())?;
        Ok(self.room(share))
    }

    /// A place over the limits, for the first worker of a version that takes over from one that fills the host:
    /// there is at most one for each rollout, and the old version's places come free after it.
    pub(crate) fn take_beyond(self: &Arc<Self>, need: &Need) -> Result<Room, Lack> {
        let share = self.packing().take_beyond(need, self.memory(), true)?;
        Ok(self.room(share))
    }

    /// For a version that is tried before it may answer.
    pub(crate) fn take_on_trial(self: &Arc<Self>, need: &Need) -> Result<Room, Lack> {
        let share = self.packing().take_beyond(need, self.memory(), false)?;
        Ok(self.room(share))
    }

    /// Errors: what can never be on this host.
    pub(crate) fn check(&self, need: &Need) -> Result<(), Lack> {
        self.packing().check(need, self.memory())
    }

    fn room(self: &Arc<Self>, share: Share) -> Room {
        Room {
            host: self.clone(),
            share: Mutex::new(share),
        }
    }

    /// Puts the worker to sleep that was idle for longest, of any version. When all are busy, the version that has most
    /// gives one up after what it is at, if that is fair to it. The room comes free when the worker is gone.
    pub(crate) fn make_room(&self, wanting: &Pool) {
        let pools: Vec<_> = self.pools().iter().filter_map(Weak::upgrade).collect();
        if pools.iter().any(|pool| pool.has_stopping()) {
            // One is on its way out already.
            return;
        }
        let idle = pools
            .iter()
            .filter_map(|pool| Some((pool.idle_longest()?, pool)))
            .min_by_key(|(since, _): &((bool, Duration), _)| *since);
        if let Some((_, pool)) = idle {
            return pool.give_up_idle();
        }
        let own = wanting.workers_alive();
        let largest = pools.iter().max_by_key(|pool| pool.workers_alive());
        if let Some(pool) = largest.filter(|pool| pool.workers_alive() > own + 1) {
            pool.give_up_busy();
        }
    }

    fn memory(&self) -> Option<HostMemory> {
        self.launcher.memory()
    }

    fn packing(&self) -> MutexGuard<'_, Packing> {
        lock(&self.packing)
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Weak<Pool>>> {
        lock(&self.pools)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
