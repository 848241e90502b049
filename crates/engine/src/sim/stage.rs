//! A pool in virtual time: the same junction and scaler as the real one, with workers that are only clocks.
//! Handles one event after the other; what each leads to happens at the same instant.

use super::{Load, Outcome, Random, Setup, load::Arrivals, outcome::Change};
use crate::{
    batcher::Wait,
    junction::{Asker, Given, Junction},
    queue::{Queue, Waiting},
    rota::Rota,
    scaler::{self, Bounds, Step},
    service::{Service, Wish},
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

/// How long after a load it is still watched how workers go, beyond their idle time.
const TAIL: Duration = Duration::from_secs(60);

pub(super) struct Stage<'a> {
    setup: &'a Setup,
    load: &'a Load,
    wish: Wish,
    queue: Queue<()>,
    rota: Rota,
    service: Service,
    workers: Vec<Worker>,
    due: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    /// Ties are broken by the order of what led to them.
    order: u64,
    now: Duration,
    number: u64,
    random: Random,
    /// The next look that counts; earlier appointments for others are void.
    look_at: Option<Duration>,
    attended: bool,
    /// Something happened after which the real pool looks at once.
    must_look: bool,
    /// Called, and about to ask.
    asking: Vec<u64>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Done(u64),
    Ready { worker: u64, since: Duration },
    Ask { worker: u64, asked: u64 },
    Look,
}

/// The number of a worker is its place; those that went stay as empty places.
#[derive(Default)]
struct Worker {
    /// The first one is being computed.
    microbatches: VecDeque<Microbatch>,
    /// How many times it asked: an appointment to ask again is void after another.
    asked: u64,
    leaving: bool,
}

struct Microbatch {
    items: Vec<Waiting<()>>,
    began: Duration,
}

impl<'a> Stage<'a> {
    pub(super) fn new(setup: &'a Setup, load: &'a Load) -> Self {
        let wish = Wish {
            shape: setup.shape,
            ahead_max: None,
            goal: setup.latency_goal,
            workers_max: setup.workers_max.max(1),
            idle: setup.idle,
        };
        let items_max = setup.queue_items_max;
        let items_max = items_max.unwrap_or_else(|| setup.shape.queue_items(wish.workers_max));
        let goal = setup.goal();
        Self {
            outcome: Outcome::new(goal, setup.shape.items_max()),
            queue: Queue::new(items_max.max(1)),
            rota: Rota::default(),
            service: Service::default(),
            workers: Vec::new(),
            due: BinaryHeap::new(),
            order: 0,
            now: Duration::ZERO,
            number: 0,
            random: Random::new(setup.seed ^ 0x5EED),
            look_at: None,
            attended: false,
            must_look: true,
            asking: Vec::new(),
            setup,
            load,
            wish,
        }
    }

    pub(super) fn run(mut self) -> Outcome {
        for _ in 0..self.setup.workers_min {
            let worker = self.hire();
            self.rota.start_one();
            self.rota.join(worker, self.now);
            self.ask(worker);
        }
        self.changed();
        self.look();
        let mut arrivals = self.load.arrivals(self.setup.seed);
        let mut next = arrivals.next();
        while self.advance(&mut arrivals, &mut next) {
            if std::mem::take(&mut self.must_look) {
                self.look();
            }
        }
        self.count_time();
        self.outcome
    }

    /// Goes to the next event and handles it; false when nothing follows any more.
    fn advance(&mut self, arrivals: &mut Arrivals<'_>, next: &mut Option<Duration>) -> bool {
        let due = self.due.peek().map(|Reverse((at, ..))| *at);
        match (*next, due) {
            (Some(at), due) if due.is_none_or(|due| at <= due) => {
                self.now = at;
                self.arrive();
                *next = arrivals.next();
            }
            (_, Some(_)) => {
                let Some(Reverse((at, _, event))) = self.due.pop() else {
                    return false;
                };
                if next.is_none() && self.is_over(at) {
                    return false;
                }
                self.now = at;
                self.handle(event);
            }
            (_, None) => return false,
        }
        true
    }

    /// Whether what comes later changes nothing that is counted.
    fn is_over(&self, at: Duration) -> bool {
        let end = self.load.length();
        let at_rest = self.queue.is_empty() && self.rota.counts().busy == 0;
        let is_back = self.rota.alive() <= self.setup.workers_min;
        let watched = end.max(self.outcome.length) + self.setup.idle * 3 + TAIL;
        at_rest && at > end && (is_back || at > watched)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Done(worker) => self.done(worker),
            Event::Ready { worker, since } => {
                self.service.started_in(self.now.saturating_sub(since));
                self.rota.join(worker, self.now);
                self.ask(worker);
                self.must_look = true;
            }
            Event::Ask { worker, asked } => {
                if self.workers[worker as usize].asked == asked {
                    self.ask(worker);
                }
            }
            Event::Look => self.must_look |= self.look_at == Some(self.now),
        }
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.order += 1;
        self.due.push(Reverse((at, self.order, event)));
    }

    fn junction(&mut self) -> Junction<'_, ()> {
        Junction {
            wish: &self.wish,
            queue: &mut self.queue,
            rota: &mut self.rota,
            service: &mut self.service,
        }
    }

    /// As `Pool::accept`.
    fn arrive(&mut self) {
        let caller = match self.setup.callers {
            0 | 1 => 0,
            callers => self.random.below(callers),
        };
        let slice = self.slice(self.now);
        self.outcome.slices[slice].arrived += 1;
        if self.queue.is_full_for(caller) {
            self.outcome.refused += 1;
            self.outcome.slices[slice].refused += 1;
            return;
        }
        self.outcome.accepted += 1;
        self.number += 1;
        self.service.arrived(self.now);
        self.queue.push(Waiting {
            it: (),
            number: self.number,
            caller,
            queued_at: self.now,
            until: self.setup.deadline.map(|deadline| self.now + deadline),
            alone: false,
        });
        match self.junction().call() {
            Some(worker) => self.ask(worker),
            None => self.must_look |= !std::mem::replace(&mut self.attended, true),
        }
    }

    /// A worker asks until it gets nothing; and so does whoever is called for what it leaves.
    fn ask(&mut self, worker: u64) {
        self.expire();
        self.asking.push(worker);
        while let Some(worker) = self.asking.pop() {
            while self.ask_once(worker) {}
        }
    }

    /// True when it got something.
    fn ask_once(&mut self, worker: u64) -> bool {
        let now = self.now;
        let it = &mut self.workers[worker as usize];
        it.asked += 1;
        let (asked, ahead) = (it.asked, it.microbatches.len());
        match self
            .junction()
            .take(Asker { worker, ahead }, now, |()| true)
        {
            Given::Items(items) => {
                self.send(worker, items);
                let next = self.junction().call();
                self.asking.extend(next);
                true
            }
            Given::Later(at) => {
                self.at(at, Event::Ask { worker, asked });
                false
            }
            Given::Nothing => false,
        }
    }

    fn send(&mut self, worker: u64, items: Vec<Waiting<()>>) {
        let began = self.now;
        let it = &mut self.workers[worker as usize];
        it.microbatches.push_back(Microbatch { items, began });
        if it.microbatches.len() == 1 {
            self.compute(worker);
        }
    }

    fn compute(&mut self, worker: u64) {
        let Some(microbatch) = self.workers[worker as usize].microbatches.front_mut() else {
            return;
        };
        microbatch.began = self.now;
        let (call, items) = (&self.setup.call, microbatch.items.len());
        let took = match self.setup.shape.many_max {
            Some(_) => call.draw(items, &mut self.random),
            None => (0..items).map(|_| call.draw(1, &mut self.random)).sum(),
        };
        self.at(self.now + took, Event::Done(worker));
    }

    fn done(&mut self, worker: u64) {
        let it = &mut self.workers[worker as usize];
        let Some(microbatch) = it.microbatches.pop_front() else {
            return;
        };
        let (items, took) = (
            microbatch.items.len(),
            self.now.saturating_sub(microbatch.began),
        );
        self.service.measured(&self.wish.shape, items, took);
        self.outcome.busy += took;
        self.outcome.sizes[items] += 1;
        for item in microbatch.items {
            self.answer(item.queued_at);
        }
        let leaves = self.workers[worker as usize].leaving;
        if leaves && self.workers[worker as usize].microbatches.is_empty() {
            return self.leave(worker);
        }
        self.compute(worker);
        self.ask(worker);
    }

    fn answer(&mut self, asked_at: Duration) {
        let latency = self.now.saturating_sub(asked_at);
        let slice = self.slice(asked_at);
        self.outcome.answered += 1;
        self.outcome.in_time += u64::from(latency <= self.outcome.goal);
        self.outcome.latencies.add(latency);
        self.outcome.slices[slice].latencies.add(latency);
        self.outcome.length = self.now;
    }

    fn slice(&self, at: Duration) -> usize {
        let slices = self.outcome.slices.len();
        let share = at.as_secs_f64() / self.load.length().as_secs_f64().max(f64::MIN_POSITIVE);
        ((share * slices as f64) as usize).min(slices - 1)
    }

    fn expire(&mut self) {
        self.outcome.expired += self.queue.expired(self.now).len() as u64;
    }

    /// As the pool's loop.
    fn look(&mut self) {
        self.expire();
        if let Some(worker) = self.junction().call() {
            self.ask(worker);
        }
        let bounds = Bounds {
            min: self.setup.workers_min,
            max: self.wish.workers_max.max(self.setup.workers_min),
            room: usize::MAX,
            idle: self.setup.idle,
            ..Bounds::default()
        };
        let now = self.now;
        let seen = self.junction().seen(bounds, now);
        let mut step = scaler::step(&seen, now);
        if let Some(expires) = self.queue.expires_from() {
            step.look_at = Some(step.look_at.map_or(expires, |at| at.min(expires)));
        }
        self.attended = seen.queued > 0;
        self.perform(&step);
        self.look_at = step.look_at.map(|at| at.max(now));
        if let Some(at) = self.look_at {
            self.at(at, Event::Look);
        }
    }

    fn perform(&mut self, step: &Step) {
        for _ in 0..step.stop {
            if let Some(worker) = self.rota.dismiss_idle() {
                self.leave(worker);
            }
        }
        for _ in 0..step.retire {
            if let Some(worker) = self.rota.dismiss_busy() {
                self.workers[worker as usize].leaving = true;
            }
        }
        for _ in 0..step.start {
            self.outcome.starts += 1;
            self.rota.start_one();
            let (worker, since) = (self.hire(), self.now);
            let at = self.now + self.setup.start;
            self.at(at, Event::Ready { worker, since });
        }
        if step.start > 0 {
            self.changed();
        }
    }

    fn hire(&mut self) -> u64 {
        self.workers.push(Worker::default());
        self.workers.len() as u64 - 1
    }

    fn leave(&mut self, worker: u64) {
        self.rota.leave(worker, self.now);
        self.must_look = true;
        self.changed();
    }

    /// Notes how many there are, those that leave included: they cost until they are gone.
    fn changed(&mut self) {
        let alive = self.rota.alive() + self.rota.counts().stopping as usize;
        let at = self.now;
        match self.outcome.workers.last_mut() {
            Some(last) if last.at == at => last.alive = alive,
            _ => self.outcome.workers.push(Change { at, alive }),
        }
        self.outcome.workers_peak = self.outcome.workers_peak.max(alive);
        self.outcome.memory_peak = self.setup.memory.of(self.outcome.workers_peak);
    }

    /// Adds up what the workers cost, and when they had gone.
    fn count_time(&mut self) {
        let (end, min) = (self.load.length(), self.setup.workers_min);
        let outcome = &mut self.outcome;
        outcome.length = outcome.length.max(end);
        let ends = outcome.workers.iter().skip(1).map(|change| change.at);
        let ends = ends.chain([Duration::MAX]).map(|at| at.min(outcome.length));
        let spans = outcome.workers.iter().zip(ends);
        outcome.alive = spans
            .map(|(change, end)| end.saturating_sub(change.at) * change.alive as u32)
            .sum();
        let last = outcome.workers.iter().rposition(|it| it.alive > min);
        let back_at = match last {
            None => Some(Duration::ZERO),
            Some(place) => outcome.workers.get(place + 1).map(|change| change.at),
        };
        outcome.back_to_min = back_at.map(|at| at.saturating_sub(end));
    }
}

impl Setup {
    /// The author's goal, or what follows from the time of a call.
    pub fn goal(&self) -> Duration {
        self.latency_goal
            .unwrap_or_else(|| crate::demand::goal_of(self.call.of(1)))
    }

    /// Whether idle workers wait for company.
    pub fn has_window(&self) -> bool {
        self.shape.wait != Wait::Fixed(Duration::ZERO)
    }
}
