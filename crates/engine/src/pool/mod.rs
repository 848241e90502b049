//! The workers of one version on this host and the queue before them. Idle workers pull; a loop starts and stops them.
//! Does not know HTTP, jobs, or other versions but for the host's limit.

mod hire;
mod host;
mod keep;
mod place;
mod roster;
mod standby;
mod still;
mod tally;

pub(crate) use hire::devices;
pub(crate) use host::{Host, Room};
pub(crate) use keep::Drained;
pub(crate) use place::Place;

use crate::{
    ask::{Ask, Keep, Loaded, Refused},
    batcher::Shape,
    junction::{Asker, Given, Junction},
    packing::Need,
    parts::{Parts, Settings},
    queue::{Queue, Waiting},
    recorder::Recorder,
    registry::Registry,
    service::{Service, Wish},
    spawn::spawn,
    ticket::{Entry, Fact, Finished, NewEntry, Size, Ticket},
    worker::{Item, Source, Take},
};
use crate::{
    meter::{self, Meter, PoolMeter},
    worker::Took,
};
use onstage_core::usage::Amounts;
use onstage_core::{
    Clock,
    config::ModelConfig,
    limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES_MAX},
    outcome::{Failure, Reason},
};
use roster::Roster;
use std::{
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tally::Tally;
use tokio::sync::{Notify, watch};

/// Of `[realtime] ahead`: what waits in a worker cannot be taken by another at once.
const AHEAD_MAX: u32 = 16;
/// Of `[realtime] queue`: each request that waits is held in memory.
const QUEUE_ITEMS_MAX: usize = 65_536;
/// What a worker is taken to need before one was seen.
const MEMORY_GUESS_BYTES: u64 = 128 << 20;
/// JSON of a microbatch of several inputs; half of what a frame's header may be.
const MICROBATCH_JSON_BYTES_MAX: usize = FRAME_HEADER_BYTES_MAX / 2;
/// JSON and attachments of a microbatch of several inputs.
const MICROBATCH_BYTES_MAX: usize = FRAME_BYTES_MAX / 4;

/// What every pool shares with the engine.
#[derive(Clone)]
pub(crate) struct Stage {
    pub parts: Parts,
    pub settings: Arc<Settings>,
    pub host: Arc<Host>,
    pub recorder: Recorder,
    pub meter: Meter,
    pub registry: Arc<Registry>,
}

pub(crate) struct Pool {
    pub loaded: Arc<Loaded>,
    pub clock: Arc<dyn Clock>,
    stage: Stage,
    wish: Wish,
    inside: Mutex<Inside>,
    /// Wakes the loop that starts and stops workers.
    look: Notify,
    numbers: AtomicU64,
    pub tally: Tally,
    meter: Arc<PoolMeter>,
    /// The most memory that one of its workers was seen to use.
    memory_seen: AtomicU64,
    /// It answers for its model, so `workers.min` holds.
    pub live: AtomicBool,
    /// It was replaced a moment ago, and one worker is held for going back.
    standing_by: AtomicBool,
    /// Grows when a worker became ready, failed to start, or the pool closed.
    pub news: watch::Sender<u64>,
}

struct Inside {
    queue: Queue<Arc<Entry>>,
    roster: Roster,
    service: Service,
    mode: Mode,
    /// Drains that were begun.
    drains: u32,
    warm: bool,
    /// Its first worker may go over the host's limit: it takes over from a version that fills the host.
    surge: bool,
    /// Failed starts in a row.
    failures: usize,
    failed_at: Option<Duration>,
    last_failure: Option<Failure>,
    /// The loop looks again soon by itself.
    attended: bool,
    /// What the worker that starts is doing, for people.
    starting_text: Option<(onstage_core::outcome::Phase, String)>,
    /// What this host has none of now for one more worker, for people.
    lacks: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// Replaced: finishes what it accepted. Numbered, so that an earlier drain does not end a later one.
    Draining(u32),
    Closed,
}

impl Pool {
    pub(crate) fn open(stage: Stage, loaded: Arc<Loaded>, live: bool) -> Arc<Self> {
        let shape = Shape::of(&loaded.schema);
        let items_max = queue_items_max(&loaded, &shape, &stage.settings);
        let realtime = &loaded.version.config.realtime;
        let wish = Wish {
            shape,
            ahead_max: realtime.ahead.map(|ahead| ahead.min(AHEAD_MAX) as usize),
            goal: realtime.latency_goal.map(|goal| goal.0),
            workers_max: realtime.workers.max.max(1) as usize,
            idle: realtime.idle.0,
        };
        let pool = Arc::new(Self {
            clock: stage.parts.clock.clone(),
            meter: stage.meter.of_pool(loaded.clone()),
            inside: Mutex::new(Inside {
                queue: Queue::new(items_max),
                roster: Roster::default(),
                service: Service::default(),
                mode: Mode::Open,
                drains: 0,
                warm: false,
                surge: false,
                failures: 0,
                failed_at: None,
                last_failure: None,
                attended: false,
                starting_text: None,
                lacks: None,
            }),
            wish,
            loaded,
            stage,
            look: Notify::new(),
            numbers: AtomicU64::new(1),
            tally: Tally::default(),
            memory_seen: AtomicU64::new(0),
            live: AtomicBool::new(live),
            standing_by: AtomicBool::new(false),
            news: watch::Sender::new(0),
        });
        pool.stage.host.add(&pool);
        spawn("pool", keep::keep(pool.clone()));
        pool
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What one more worker needs of the host.
    fn need(&self) -> Need {
        let seen = self.memory_seen.load(Relaxed);
        need_of(&self.loaded.version.config, (seen > 0).then_some(seen))
    }

    /// Takes a prediction in. `None` when the pool is closed: the caller opens another.
    pub(crate) fn accept(self: &Arc<Self>, ask: Ask) -> Result<Ticket, NotTaken> {
        let (now, seed) = (self.clock.monotonic(), self.stage.parts.seed());
        let mut inside = self.inside();
        if inside.mode == Mode::Closed {
            return Err(NotTaken::Closed(Box::new(ask)));
        }
        let backlog = ask.keep == Keep::Always && self.stage.recorder.is_full();
        let caller = caller_of(&ask.by.id);
        if inside.queue.is_full_for(caller) || backlog {
            self.tally.refused.fetch_add(1, Relaxed);
            return Err(NotTaken::Refused(inside.busy(&self.wish.shape)));
        }
        let failed = inside.failing(now);
        let entry = self.entry(ask, now, seed, inside.queue.len());
        // Before a worker can have it: what is answered and recorded at once must not be added after that.
        self.stage.registry.add(&entry);
        self.tally.accepted.fetch_add(1, Relaxed);
        if let Some(failure) = failed {
            drop(inside);
            entry.finish(Err(failure), Took::default());
            return Ok(Ticket(entry));
        }
        if let Some((phase, text)) = inside.starting_text.clone() {
            entry.tell(Fact::Phase { phase, text });
        }
        inside.service.arrived(now);
        inside.queue.push(Waiting {
            number: entry.number,
            caller,
            it: entry.clone(),
            queued_at: now,
            until: entry.until,
            alone: false,
        });
        let wake = inside.whom_to_wake(&self.wish);
        let attend = wake.is_none() && !std::mem::replace(&mut inside.attended, true);
        drop(inside);
        match wake {
            Some(wake) => wake.notify_one(),
            None if attend => self.look.notify_one(),
            None => {}
        }
        Ok(Ticket(entry))
    }

    fn entry(self: &Arc<Self>, ask: Ask, now: Duration, seed: u64, ahead: usize) -> Arc<Entry> {
        Entry::new(NewEntry {
            ahead: ahead as u32,
            ask,
            number: self.numbers.fetch_add(1, Relaxed),
            pool: self.clone(),
            created_at: self.clock.now(),
            accepted: now,
            seed,
        })
    }

    /// An input whose worker went away: in again at the head.
    pub(crate) fn take_back(&self, entry: Arc<Entry>, alone: bool) -> Result<(), Failure> {
        let now = self.clock.monotonic();
        let mut inside = self.inside();
        if inside.mode == Mode::Closed {
            return Err(Failure::new(
                Reason::WorkerLost,
                "the server is shutting down",
            ));
        }
        if let Some(failure) = inside.failing(now) {
            return Err(failure);
        }
        if entry.state().canceling {
            return Err(Failure::new(Reason::Canceled, "it was canceled"));
        }
        inside.queue.put_back(Waiting {
            number: entry.number,
            caller: caller_of(&entry.by),
            queued_at: now,
            until: entry.until,
            alone,
            it: entry,
        });
        let wake = inside.whom_to_wake(&self.wish);
        drop(inside);
        if let Some(wake) = wake {
            wake.notify_one();
        }
        self.look.notify_one();
        Ok(())
    }

    /// The caller gives up: out of the queue, or its worker is told.
    pub(crate) fn cancel(&self, entry: &Arc<Entry>) {
        let (caller, number) = (caller_of(&entry.by), entry.number);
        // Said first, so that one that comes back from a lost worker in this moment is not run again.
        entry.state().canceling = true;
        let waiting = self.inside().queue.remove(caller, number);
        match waiting {
            Some(_) => entry.finish(
                Err(Failure::new(Reason::Canceled, "it was canceled")),
                Took::default(),
            ),
            None => self.tell_workers_to_cancel(number),
        }
    }

    /// Only the worker that has it knows the number; the others ignore it.
    pub(crate) fn tell_workers_to_cancel(&self, number: u64) {
        let workers = self.inside().roster.workers();
        for worker in workers {
            worker.cancel(number);
        }
    }

    /// What every end of an entry comes to.
    pub(crate) fn finished(
        &self,
        entry: &Arc<Entry>,
        finished: &Finished,
        waited: Duration,
        predict: Took,
        bytes_in: usize,
    ) {
        let reason = match &finished.outcome {
            Ok(_) => Reason::Ok,
            Err(failure) => failure.reason,
        };
        self.tally.answered(reason, waited, predict.whole);
        let memory_seen = self.memory_seen.load(Relaxed);
        let output = finished.outcome.as_ref().ok();
        let amounts = Amounts {
            runs: 1,
            bytes_in: bytes_in as u64,
            bytes_out: output.map_or(0, onstage_core::value::Value::len) as u64,
            ..meter::realtime_worker(&self.loaded.version.config, memory_seen)
                .in_time(predict.share)
        };
        self.meter.add(&entry.by, amounts);
        self.stage.recorder.add(entry.clone());
    }

    /// Starts a worker although nothing waits, and keeps it until it has been idle for its time.
    pub(crate) fn warm(&self) {
        self.inside().warm = true;
        self.look.notify_one();
    }

    pub(crate) fn set_live(&self, live: bool) {
        self.live.store(live, Relaxed);
        self.look.notify_one();
    }
}

/// Why `accept` did not take it.
pub(crate) enum NotTaken {
    Refused(Refused),
    Closed(Box<Ask>),
}

impl Inside {
    fn busy(&self, shape: &Shape) -> Refused {
        let (queued, ready) = (self.queue.len(), self.roster.ready());
        Refused::Busy {
            retry_after: self.service.retry_after(queued, shape.many_max, ready),
            queued: queued as u32,
        }
    }

    /// Why nothing can be answered now: the last start failed and the next one is not due.
    fn failing(&self, now: Duration) -> Option<Failure> {
        if self.roster.alive() > 0
            || !crate::scaler::is_backing_off(self.failures, self.failed_at, now)
        {
            return None;
        }
        self.last_failure.clone()
    }

    /// The worker to wake for what has just been queued.
    fn whom_to_wake(&mut self, wish: &Wish) -> Option<Arc<Notify>> {
        let called = self.junction(wish).call();
        self.roster.wake_of(called)
    }
}

/// What a worker of a version needs: the memory that was declared, or seen and a little more, or a guess.
pub(crate) fn need_of(config: &ModelConfig, seen: Option<u64>) -> Need {
    let realtime = &config.realtime;
    let declared = realtime.memory.map(|size| size.0);
    let known = declared.or(seen.map(|seen| seen + seen / 8));
    Need {
        memory_bytes: known.unwrap_or(MEMORY_GUESS_BYTES),
        gpu: realtime.gpu,
    }
}

/// Callers take turns by who they are; a number stands for each.
fn caller_of(id: &onstage_core::Id) -> u64 {
    foldhash::fast::FixedState::default().hash_one(id)
}

fn queue_items_max(loaded: &Loaded, shape: &Shape, settings: &Settings) -> usize {
    let config = &loaded.version.config.realtime;
    match config.queue {
        Some(queue) => (queue as usize).clamp(1, QUEUE_ITEMS_MAX),
        None => shape
            .queue_items(config.workers.max.max(1) as usize)
            .clamp(1, settings.queue_items_max as usize),
    }
}

impl Source for Pool {
    fn take(&self, worker: u64, ahead: usize) -> Take {
        let now = self.clock.monotonic();
        let mut inside = self.inside();
        let expired = inside.queue.expired(now);
        let (taken, next) = inside.take_for(&self.wish, Asker { worker, ahead }, now);
        drop(inside);
        if let Some(next) = next {
            next.notify_one();
        }
        for waiting in expired {
            expire(&waiting.it);
        }
        if matches!(taken, Take::Items(_)) {
            self.tally.microbatches.fetch_add(1, Relaxed);
        }
        taken
    }

    fn measured(&self, worker: u64, items: usize, time: Duration) {
        let mut inside = self.inside();
        inside.service.measured(&self.wish.shape, items, time);
        // One that was there before proves nothing about the next start.
        if inside.failures > 0 && inside.roster.ready_since(worker) > inside.failed_at {
            inside.failures = 0;
        }
    }

    fn has_idle_beside(&self, worker: u64) -> bool {
        self.inside().roster.rota.idle_but(worker) > 0
    }

    fn stray(&self) {
        self.tally.strays.fetch_add(1, Relaxed);
    }
}

impl Inside {
    fn junction<'a>(&'a mut self, wish: &'a Wish) -> Junction<'a, Arc<Entry>> {
        Junction {
            wish,
            queue: &mut self.queue,
            rota: &mut self.roster.rota,
            service: &mut self.service,
        }
    }

    /// What a worker gets, and whom to wake for what it leaves.
    fn take_for(
        &mut self,
        wish: &Wish,
        asker: Asker,
        now: Duration,
    ) -> (Take, Option<Arc<Notify>>) {
        let mut load = Load::default();
        let mut junction = self.junction(wish);
        match junction.take(asker, now, |entry| load.fits(&entry.size)) {
            Given::Items(taken) => {
                let items: Vec<Item> = taken.into_iter().map(|it| it.it.item()).collect();
                let next = junction.call();
                (Take::Items(items), self.roster.wake_of(next))
            }
            Given::Later(at) => (Take::At(at), None),
            Given::Nothing => (Take::Nothing, None),
        }
    }
}

/// What a microbatch carries. Its frame has limits, and one that breaks them would cost a worker.
#[derive(Default)]
struct Load {
    json_bytes: usize,
    bytes: usize,
}

impl Load {
    /// Whether one more goes in, which is then counted. The first always does.
    fn fits(&mut self, size: &Size) -> bool {
        let first = self.bytes == 0;
        self.json_bytes += size.json_bytes;
        self.bytes += size.bytes;
        first
            || (self.json_bytes <= MICROBATCH_JSON_BYTES_MAX && self.bytes <= MICROBATCH_BYTES_MAX)
    }
}

fn expire(entry: &Arc<Entry>) {
    entry.finish(
        Err(Failure::new(
            Reason::Timeout,
            "its deadline passed while it waited in the queue",
        )),
        Took::default(),
    );
}
