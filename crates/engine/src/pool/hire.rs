//! Getting a worker into a pool and seeing it out again: start, serve, death, and what each means for those who wait.
//! Does not decide how many there are.

use super::{Mode, Pool, host::Room};
use crate::worker::Took;
use crate::{
    spawn::spawn,
    worker::{Ended, Start, Worker},
};
use onstage_core::{
    gpu::GpuShare,
    model::BuildFailure,
    outcome::{Failure, Phase, Reason},
    ports::Preparing,
    wire::to_worker::Work,
};
use std::{
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

/// A worker that ends by itself sooner than this, without having answered, counts as a failed start.
const PROVEN_AFTER: Duration = Duration::from_secs(10);

/// When a worker's memory is measured. Reading it takes some milliseconds for a large one.
const MEASURE_FIRST: Duration = Duration::from_secs(2);
const MEASURE_EVERY: Duration = Duration::from_secs(300);

impl Pool {
    /// Starts one worker in the background; the roster counts it as starting already.
    pub(super) fn hire(self: &Arc<Self>, room: Room) {
        self.tally.starts.fetch_add(1, Relaxed);
        let pool = self.clone();
        spawn("worker start", async move { pool.start_one(room).await });
    }

    async fn start_one(self: Arc<Self>, room: Room) {
        let since = self.clock.monotonic();
        let version = &self.loaded.version;
        let how = self.start(&format!("v{}", version.number), &room);
        let preparing = Told(self.clone());
        match Worker::start(&self.stage.parts, version, &how, &preparing).await {
            Ok(worker) => {
                let took = self.clock.monotonic().saturating_sub(since);
                self.inside().service.started_in(took);
                self.join(worker, room).await;
            }
            Err(failure) => self.start_failed(failure),
        }
    }

    fn start(&self, what: &str, room: &Room) -> Start {
        let name = self.loaded.model.name();
        let id = self.stage.parts.new_id();
        Start {
            label: format!("{name}-{what}-{id}"),
            tempdir: self.stage.settings.tempdir.clone(),
            describe: false,
            cancel_grace: self.stage.settings.cancel_grace,
            environment: devices(room),
            work: Work::Predict,
        }
    }

    /// A worker that the builder has tried already, and the room it was tried in.
    pub(crate) fn adopt(self: &Arc<Self>, worker: Worker, room: Room) {
        let is_wanted = {
            let mut inside = self.inside();
            let wanted = inside.roster.alive() < self.wish.workers_max && room.count();
            if wanted {
                // From now on it counts: whoever looks before it has joined must not start another in its place.
                inside.roster.start_one();
            }
            wanted
        };
        if !is_wanted {
            return worker.ask_to_stop(self.stage.settings.cancel_grace);
        }
        let pool = self.clone();
        spawn("worker", async move { pool.join(worker, room).await });
    }

    /// Serves until the worker is gone.
    async fn join(self: Arc<Self>, worker: Worker, room: Room) {
        let now = self.clock.monotonic();
        let room = Arc::new(room);
        let measuring = measure(Arc::downgrade(&self), worker.clone(), Arc::downgrade(&room));
        spawn("worker's memory", measuring);
        let closed = {
            let mut inside = self.inside();
            inside.roster.join(worker.clone(), room, now);
            inside.surge = false;
            inside.starting_text = None;
            inside.last_failure = None;
            inside.mode == Mode::Closed
        };
        if closed {
            worker.ask_to_stop(Duration::ZERO);
        }
        worker.serve(self.clone());
        self.news.send_modify(|news| *news += 1);
        self.look.notify_one();
        let ended = worker.ended().await;
        self.see_out(worker.number(), ended);
    }

    fn see_out(&self, number: u64, ended: Ended) {
        let now = self.clock.monotonic();
        let mut inside = self.inside();
        let unproven = inside.roster.leave(number, now);
        let mut stranded = Vec::new();
        if let Ended::Died(failure) = ended {
            self.tally.deaths.fetch_add(1, Relaxed);
            tracing::warn!(model = %self.loaded.model, version = self.loaded.version.number, why = failure.message, "a worker died");
            if unproven.is_some_and(|lived| lived < PROVEN_AFTER) {
                stranded = inside.note_failure(failure, now);
            }
        }
        drop(inside);
        self.fail_all(stranded);
        self.look.notify_one();
    }

    fn start_failed(&self, failure: BuildFailure) {
        let now = self.clock.monotonic();
        tracing::warn!(model = %self.loaded.model, version = self.loaded.version.number, kind = failure.kind, why = failure.message, "a worker did not start");
        self.tally.failed_starts.fetch_add(1, Relaxed);
        let mut inside = self.inside();
        inside.roster.start_failed();
        let stranded = inside.note_failure(in_words(failure), now);
        drop(inside);
        self.fail_all(stranded);
        self.news.send_modify(|news| *news += 1);
        self.look.notify_one();
    }

    /// This host never has what a worker needs: told at once to those who wait.
    pub(super) fn cannot_start(&self, why: String) {
        let failure = Failure::new(Reason::NoCapacity, why);
        let now = self.clock.monotonic();
        let stranded = self.inside().note_failure(failure, now);
        self.fail_all(stranded);
        self.news.send_modify(|news| *news += 1);
    }

    fn fail_all(&self, stranded: Vec<(Arc<crate::ticket::Entry>, Failure)>) {
        for (entry, failure) in stranded {
            entry.finish(Err(failure), Took::default());
        }
    }
}

impl super::Inside {
    /// Notes a failed start; answers those who would wait in vain, with what they are told.
    fn note_failure(
        &mut self,
        failure: Failure,
        now: Duration,
    ) -> Vec<(Arc<crate::ticket::Entry>, Failure)> {
        self.failures += 1;
        self.failed_at = Some(now);
        self.starting_text = None;
        self.warm = false;
        let told = Failure {
            reason: match failure.reason {
                reason @ (Reason::OutOfMemory | Reason::NoCapacity) => reason,
                _ => Reason::SetupFailed,
            },
            ..failure
        };
        self.last_failure = Some(told.clone());
        if self.roster.alive() > 0 {
            return Vec::new();
        }
        let waiting = self.queue.drain();
        waiting
            .into_iter()
            .map(|waiting| (waiting.it, told.clone()))
            .collect()
    }
}

/// Looks now and then how much memory a worker uses, so that the host knows what another one needs.
async fn measure(pool: Weak<Pool>, worker: Worker, room: Weak<Room>) {
    let mut wait = MEASURE_FIRST;
    loop {
        tokio::select! {
            _ = worker.ended() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = MEASURE_EVERY;
        let bytes = worker.memory_bytes().await;
        let (Some(pool), Some(room)) = (pool.upgrade(), room.upgrade()) else {
            return;
        };
        if let Some(bytes) = bytes {
            pool.memory_seen.fetch_max(bytes, Relaxed);
            room.seen_in_use(bytes);
        }
    }
}

/// Which GPUs a worker may see.
pub(crate) fn devices(room: &Room) -> Vec<(String, String)> {
    let devices = room.devices();
    devices
        .map(|devices| (GpuShare::VARIABLE.to_owned(), devices))
        .into_iter()
        .collect()
}

fn in_words(failure: BuildFailure) -> Failure {
    let reason = match failure.kind.as_str() {
        "out_of_memory" => Reason::OutOfMemory,
        "no_capacity" => return Failure::new(Reason::NoCapacity, failure.message),
        _ => Reason::SetupFailed,
    };
    Failure {
        traceback: failure.traceback,
        ..Failure::new(
            reason,
            format!("the model could not be loaded: {}", failure.message),
        )
    }
}

/// Tells those who wait what the worker that starts is doing.
struct Told(Arc<Pool>);

impl Preparing for Told {
    fn phase(&self, phase: Phase, text: &str) {
        let mut inside = self.0.inside();
        inside.starting_text = Some((phase, text.to_owned()));
        for entry in inside.queue.iter() {
            let text = text.to_owned();
            entry.tell(crate::ticket::Fact::Phase { phase, text });
        }
    }

    fn line(&self, line: &str) {
        tracing::debug!(model = %self.0.loaded.model, line, "a worker says while it starts");
    }
}
