//! A replaced version that is held ready: one worker stays, so that it can answer again at once.
//! Does not know why, or for how long.

use super::Pool;
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// How long a worker more than the one that is held stays without work.
const SPARE_IDLE: Duration = Duration::from_secs(1);

impl Pool {
    pub(crate) fn stand_by(&self, held: bool) {
        self.standing_by.store(held, Relaxed);
        self.look.notify_one();
    }

    /// Workers that are kept although nobody asks for them.
    pub(super) fn workers_min(&self) -> usize {
        let min = match self.live.load(Relaxed) {
            true => self.loaded.version.config.realtime.workers.min as usize,
            false => 0,
        };
        min.max(usize::from(self.standing_by.load(Relaxed)))
    }

    /// Others that wait for room need it more than a way back that is a little faster.
    pub(super) fn may_stop_standing_by(&self) -> bool {
        self.standing_by.load(Relaxed) && !self.live.load(Relaxed)
    }

    /// How long a worker stays without work.
    pub(super) fn idle_time(&self) -> Duration {
        let idle = self.wish.idle;
        match self.may_stop_standing_by() {
            true => idle.min(SPARE_IDLE),
            false => idle,
        }
    }
}
