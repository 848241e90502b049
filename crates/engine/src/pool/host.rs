//! The places for workers of all versions on this host, and who gives one up when another version needs it.
//! Does not know what the workers do.

use super::Pool;
use crate::{
    gpus::{Gpus, Reservation},
    packing::{self, Lack, Need, Packing, Share},
};
use onstage_core::ports::{HostMemory, Launcher};
use std::{
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

pub(crate) struct Host {
    packing: Mutex<Packing>,
    /// Tasks have some of them too.
    pub(crate) gpus: Gpus,
    launcher: Arc<dyn Launcher>,
    pools: Mutex<Vec<Weak<Pool>>>,
}

/// The right to have one worker; given back when dropped.
pub(crate) struct Room {
    host: Arc<Host>,
    share: Mutex<Share>,
    gpus: Option<Reservation>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.host.packing().give_back(&lock(&self.share));
    }
}

impl Room {
    /// For `CUDA_VISIBLE_DEVICES`, when the model says what it needs.
    pub(crate) fn devices(&self) -> Option<String> {
        self.gpus.as_ref().map(|gpus| gpus.share().visible())
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
            packing: Mutex::new(Packing::new(workers_max)),
            gpus: Gpus::new(gpus),
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
        let most = self.gpus.room_for(need.gpu, most);
        self.packing().room_for(need, self.memory(), most)
    }

    pub(crate) fn take(self: &Arc<Self>, need: &Need) -> Result<Room, Lack> {
        let gpus = self.gpus.reserve(need.gpu)?;
        let share = self.packing().take(need, self.memory())?;
        Ok(self.room(share, gpus))
    }

    /// A place over the limits, for the first worker of a version that takes over from one that fills the host:
    /// there is at most one for each rollout, and the old version's places come free after it.
    pub(crate) fn take_beyond(self: &Arc<Self>, need: &Need) -> Result<Room, Lack> {
        self.beyond(need, true)
    }

    /// For a version that is tried before it may answer.
    pub(crate) fn take_on_trial(self: &Arc<Self>, need: &Need) -> Result<Room, Lack> {
        self.beyond(need, false)
    }

    fn beyond(self: &Arc<Self>, need: &Need, counted: bool) -> Result<Room, Lack> {
        let gpus = self.gpus.reserve_beyond(need.gpu)?;
        let share = self.packing().take_beyond(need, self.memory(), counted)?;
        Ok(self.room(share, gpus))
    }

    /// Errors: what one more such worker lacks now.
    pub(crate) fn look(&self, need: &Need) -> Result<(), Lack> {
        self.gpus.look(need.gpu)?;
        self.packing().clone().take(need, self.memory()).map(drop)
    }

    /// Errors: what can never be on this host.
    pub(crate) fn check(&self, need: &Need) -> Result<(), Lack> {
        self.gpus.check(need.gpu)?;
        packing::check(need, self.memory())
    }

    fn room(self: &Arc<Self>, share: Share, gpus: Option<Reservation>) -> Room {
        Room {
            host: self.clone(),
            share: Mutex::new(share),
            gpus,
        }
    }

    /// Puts the worker to sleep that was idle for longest, of any version. When all are busy, the version that has most
    /// gives one up after what it is at, if that is fair to it. The room comes free when the worker is gone. Where GPUs are
    /// lacking, only those that hold some come into question.
    pub(crate) fn make_room(&self, wanting: &Pool) {
        let lacks_gpus = self.gpus.look(wanting.need().gpu).is_err();
        if lacks_gpus {
            self.gpus.want();
        }
        let pools = self.pools_with(lacks_gpus);
        if pools.iter().any(|pool| pool.has_stopping()) || put_to_sleep(&pools) {
            // One is on its way out.
            return;
        }
        let own = wanting.workers_alive();
        let largest = pools.iter().max_by_key(|pool| pool.workers_alive());
        if let Some(pool) = largest.filter(|pool| pool.workers_alive() > own + 1) {
            pool.give_up_busy();
        }
    }

    /// Puts the worker to sleep that was idle for longest of those that hold GPUs, for a task that waits for one. Those that are busy
    /// go on: a task's work has no end that could be waited for, theirs has.
    pub(crate) fn make_room_on_gpus(&self) {
        let pools = self.pools_with(true);
        if !pools.iter().any(|pool| pool.has_stopping()) {
            put_to_sleep(&pools);
        }
    }

    fn pools_with(&self, gpus: bool) -> Vec<Arc<Pool>> {
        let pools = self.pools();
        let pools = pools.iter().filter_map(Weak::upgrade);
        pools
            .filter(|pool| !gpus || pool.need().gpu.is_some_and(|gpu| gpu > 0.0))
            .collect()
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

/// False when none of them has an idle worker to spare.
fn put_to_sleep(pools: &[Arc<Pool>]) -> bool {
    let idle = pools
        .iter()
        .filter_map(|pool| Some((pool.idle_longest()?, pool)))
        .min_by_key(|(since, _): &((bool, Duration), _)| *since);
    if let Some((_, pool)) = idle {
        pool.give_up_idle();
    }
    idle.is_some()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
