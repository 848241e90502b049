//! The loop of a pool: asks the scaler and does what it says, until the pool is closed.
//! Thin; does not touch requests but to tell those whose deadline passed.

use super::{Mode, Pool, expire};
use crate::worker::Took;
use crate::{
    packing::Lack,
    scaler::{self, Bounds, Step},
};
use std::{sync::Arc, time::Duration};

/// How soon the loop looks again when the host has no room.
const ROOM_RETRY: Duration = Duration::from_millis(200);

pub(super) async fn keep(pool: Arc<Pool>) {
    loop {
        let now = pool.clock.monotonic();
        pool.expire_waiting(now);
        pool.wake_sleepers();
        let (step, closed) = pool.decide(now);
        if closed {
            return;
        }
        let mut wait = step
            .look_at
            .map(|at| at.saturating_sub(pool.clock.monotonic()));
        let has_room = pool.perform(step);
        pool.note_lack(has_room);
        if !has_room {
            pool.stage.host.make_room(&pool);
            wait = Some(wait.unwrap_or(ROOM_RETRY).min(ROOM_RETRY));
        }
        let asleep = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pool.look.notified() => {}
            () = asleep => {}
        }
    }
}

impl Pool {
    fn decide(&self, now: Duration) -> (Step, bool) {
        let room = self
            .stage
            .host
            .room_for(&self.need(), self.wish.workers_max);
        let mut inside = self.inside();
        if inside.mode == Mode::Closed && inside.roster.is_empty() {
            return (Step::default(), true);
        }
        let config = &self.loaded.version.config.realtime;
        if inside.roster.ready() > 0 {
            // It was asked for and is there; from now on only its idle time counts.
            inside.warm = false;
        }
        let bounds = Bounds {
            min: self.workers_min(),
            max: config.workers.max.max(config.workers.min).max(1) as usize,
            room: room.max(usize::from(inside.surge)),
            warm: inside.warm,
            draining: inside.mode != Mode::Open,
            idle: self.idle_time(),
            failures: inside.failures,
            failed_at: inside.failed_at,
        };
        let seen = inside.junction(&self.wish).seen(bounds, now);
        let mut step = scaler::step(&seen, now);
        if let Some(expires) = inside.queue.expires_from() {
            step.look_at = Some(step.look_at.map_or(expires, |at| at.min(expires)));
        }
        inside.attended = seen.queued > 0;
        (step, false)
    }

    /// What those who wait are told.
    fn note_lack(&self, has_room: bool) {
        let lack = match has_room {
            true => None,
            false => self.stage.host.look(&self.need()).err(),
        };
        self.inside().lacks = lack.map(|lack| lack.in_words());
    }

    /// False when the host had no room for what was wanted.
    fn perform(self: &Arc<Self>, step: Step) -> bool {
        for _ in 0..step.stop {
            self.give_up_idle();
        }
        for _ in 0..step.retire {
            self.give_up_busy();
        }
        for _ in 0..step.start {
            let (need, surge) = (self.need(), self.inside().surge);
            let room = match self.stage.host.take(&need) {
                Err(Lack::Room | Lack::Gpus) if surge => self.stage.host.take_beyond(&need),
                taken => taken,
            };
            let Ok(room) = room else { return false };
            self.inside().roster.start_one();
            self.hire(room);
        }
        if let Err(Lack::Ever(why)) = self.stage.host.check(&self.need())
            && step.wants_room
        {
            self.cannot_start(why);
            return true;
        }
        !step.wants_room
    }

    /// An idle worker before a queue is called again: should a call ever be lost, nobody waits longer than until the next look.
    fn wake_sleepers(&self) {
        let wake = {
            let mut inside = self.inside();
            inside.whom_to_wake(&self.wish)
        };
        if let Some(wake) = wake {
            wake.notify_one();
        }
    }

    fn expire_waiting(&self, now: Duration) {
        let expired = self.inside().queue.expired(now);
        for waiting in expired {
            expire(&waiting.it);
        }
    }

    /// Since when its longest idle worker is idle, if it could be spared; whether that is the one that is held for
    /// going back: it goes last.
    pub(super) fn idle_longest(&self) -> Option<(bool, Duration)> {
        let inside = self.inside();
        let is_last = inside.roster.ready() <= self.workers_min();
        if (is_last && !self.may_stop_standing_by()) || !inside.queue.is_empty() {
            return None;
        }
        let since = inside.roster.idle_since().into_iter().min()?;
        Some((is_last, since))
    }

    pub(super) fn give_up_idle(&self) {
        let worker = self.inside().roster.dismiss_idle();
        if let Some(worker) = worker {
            if self.inside().roster.ready() == 0 {
                self.stand_by(false);
            }
            worker.ask_to_stop(self.stage.settings.cancel_grace);
        }
    }

    /// One goes after what it is at, however long that takes.
    pub(super) fn give_up_busy(&self) {
        let worker = self.inside().roster.dismiss_busy();
        if let Some(worker) = worker {
            let timeout = self.loaded.version.config.realtime.timeout.0;
            worker.ask_to_stop(timeout + self.stage.settings.cancel_grace);
        }
    }

    pub(super) fn workers_alive(&self) -> usize {
        self.inside().roster.alive()
    }

    pub(super) fn has_stopping(&self) -> bool {
        self.inside().roster.counts().stopping > 0
    }

    pub(crate) fn has_workers(&self) -> bool {
        self.inside().roster.alive() > 0
    }

    /// Starts a worker beside those of the version that answers now, if need be over the host's limit, and waits
    /// until it is ready. False when the start failed, took too long, or the pool closed.
    pub(crate) async fn ready_beside_another(&self) -> bool {
        {
            let mut inside = self.inside();
            inside.warm = true;
            inside.surge = true;
        }
        self.look.notify_one();
        let most = self.loaded.version.config.realtime.startup_timeout.0 + ROOM_WAIT_MAX;
        let ready = tokio::time::timeout(most, self.ready()).await;
        self.inside().surge = false;
        ready.unwrap_or(false)
    }

    async fn ready(&self) -> bool {
        let mut news = self.news.subscribe();
        loop {
            {
                let inside = self.inside();
                if inside.roster.ready() > 0 {
                    return true;
                }
                let failed = inside.last_failure.is_some() && inside.roster.starting() == 0;
                if failed || inside.mode == Mode::Closed {
                    return false;
                }
            }
            if news.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Takes requests again if it was being drained. False when it is closed for good.
    pub(crate) fn reopen(&self) -> bool {
        let mut inside = self.inside();
        if inside.mode == Mode::Closed {
            return false;
        }
        inside.mode = Mode::Open;
        true
    }

    /// Finishes what was accepted, then closes, not before `least`; what is left after `most` is told that it was lost.
    pub(crate) async fn drain(self: &Arc<Self>, least: Duration, most: Duration) -> Drained {
        let began = self.clock.monotonic();
        let mine = {
            let mut inside = self.inside();
            if inside.mode == Mode::Closed {
                return Drained::Closed;
            }
            inside.drains += 1;
            inside.mode = Mode::Draining(inside.drains);
            inside.mode
        };
        self.look.notify_one();
        let workers = loop {
            let took = self.clock.monotonic().saturating_sub(began);
            {
                let mut inside = self.inside();
                if inside.mode != mine {
                    return Drained::Reopened;
                }
                if took >= most || (took >= least && self.tally.open() == 0) {
                    inside.mode = Mode::Closed;
                    break inside.roster.dismiss_all();
                }
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        };
        let grace = self.stage.settings.cancel_grace;
        let left = self.inside().queue.drain();
        for waiting in left {
            let why = onstage_core::outcome::Failure::new(
                onstage_core::outcome::Reason::WorkerLost,
                "the server stopped before it was its turn",
            );
            waiting.it.finish(Err(why), Took::default());
        }
        futures::future::join_all(workers.iter().map(|worker| worker.stop(grace))).await;
        self.news.send_modify(|news| *news += 1);
        self.look.notify_one();
        Drained::Closed
    }
}

/// What a drain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    Closed,
    /// Its version answers again; it goes on.
    Reopened,
}

/// How long a version that is rolled out may wait for a place on the host, beside the time its start may take.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a drain looks whether all is finished.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
