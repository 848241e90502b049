//! Where a pool's queue, its rota and its measurements meet: what the worker that asks gets, whom to call, what the scaler sees.
//! Pure; the pool and the simulator both decide through it, so that they cannot differ.

use crate::{
    batcher::{self, Next, View},
    queue::{Queue, Waiting},
    rota::Rota,
    scaler::{Bounds, Seen},
    service::{Service, Waits, Wish},
};
use std::time::Duration;

/// The parts of one pool.
pub(crate) struct Junction<'a, T> {
    pub wish: &'a Wish,
    pub queue: &'a mut Queue<T>,
    pub rota: &'a mut Rota,
    pub service: &'a mut Service,
}

/// A worker that asks, and how many microbatches it has already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub worker: u64,
    pub ahead: usize,
}

/// What it gets.
pub(crate) enum Given<T> {
    Items(Vec<Waiting<T>>),
    /// Nothing yet; it asks again then, or when it is called.
    Later(Duration),
    /// Nothing; it is called when there is.
    Nothing,
}

impl<T> Junction<'_, T> {
    /// What the worker that asks gets. `fits` says whether one more goes into the microbatch.
    pub(crate) fn take(
        &mut self,
        asker: Asker,
        now: Duration,
        fits: impl FnMut(&T) -> bool,
    ) -> Given<T> {
        let Asker { worker, ahead } = asker;
        if !self.rota.may_take(worker) {
            return Given::Nothing;
        }
        let ready = self.rota.ready();
        let view = View {
            queued: self.queue.len(),
            oldest_at: self.queue.oldest_at().unwrap_or(now),
            window: self.service.window(self.wish, ready, now),
            idle: self.rota.idle_but(worker) + usize::from(ahead == 0),
            ahead,
            ahead_max: self.wish.ahead_max,
            item_time: self.service.item_time(),
            microbatch_time: self.service.microbatch_time(),
        };
        match batcher::next(&self.wish.shape, &view, now) {
            Next::Take(most) => {
                let taken = self.queue.take(most, fits);
                self.rota.busy(worker);
                Given::Items(taken)
            }
            Next::WaitUntil(at) => {
                self.rota.windowed(worker, now);
                Given::Later(at)
            }
            Next::Nothing => {
                if ahead == 0 {
                    self.rota.idle(worker, now);
                }
                Given::Nothing
            }
        }
    }

    /// The worker to call for what has just been queued, or is left after a microbatch went out.
    pub(crate) fn call(&mut self) -> Option<u64> {
        if self.queue.is_empty() {
            return None;
        }
        if self.rota.has_windowed() {
            // One holds back what waits; more of them would only wait together.
            return match self.queue.len() >= self.wish.shape.items_max() {
                true => self.rota.call_windowed(),
                false => None,
            };
        }
        self.rota.call_idle()
    }

    /// How much of what waits has a worker that will take it.
    fn held_back(&self) -> usize {
        match self.rota.has_windowed() {
            true => self.queue.len().min(self.wish.shape.items_max()),
            false => 0,
        }
    }

    /// What the scaler sees.
    pub(crate) fn seen(&mut self, bounds: Bounds, now: Duration) -> Seen {
        let counts = self.rota.counts();
        let idle_since = self.rota.idle_since();
        let waits = Waits {
            // What is held back for company waits for no worker.
            queued: self.queue.len() - self.held_back(),
            ready: self.rota.ready(),
        };
        let needed = self.service.needed(self.wish, waits, now);
        Seen {
            bounds,
            queued: self.queue.len(),
            held_back: self.held_back(),
            oldest_at: self.queue.oldest_at(),
            starting: self.rota.starting(),
            busy: (counts.busy + counts.idle) as usize - idle_since.len(),
            stopping: counts.stopping as usize,
            idle_since,
            items_max: self.wish.shape.items_max(),
            needed: needed.map_or(0, |needed| needed.now),
            needed_lately: needed.map(|needed| needed.lately),
            hold: needed.map_or(bounds.idle, |needed| needed.hold),
            microbatch_time: self.service.microbatch_time(),
        }
    }
}
