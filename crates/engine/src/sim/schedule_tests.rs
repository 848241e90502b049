//! A great many random schedules of queue, batcher and rota: what must hold at every instant of each of them.
//! A loop of its own rather than proptest, so that a million take minutes.

use super::Random;
use crate::{
    batcher::{Shape, Wait},
    junction::{Asker, Given, Junction},
    queue::{Queue, Waiting},
    rota::Rota,
    service::{Service, Wish},
};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

const FEW: u64 = 20_000;
const MANY: u64 = 1_000_000;
/// What one slow item may hold up others for.
const HOLD_UP_MAX: Duration = Duration::from_millis(20);

#[expect(
    clippy::disallowed_methods,
    reason = "the size of a test comes from outside"
)]
fn schedules() -> u64 {
    match std::env::var("FAULTS").as_deref() {
        Ok("full") => MANY,
        _ => FEW,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(u64),
    Done(u64),
    Asks(u64, u64),
}

struct Schedule {
    wish: Wish,
    queue: Queue<u64>,
    rota: Rota,
    service: Service,
    due: BinaryHeap<Reverse<(Duration, Event)>>,
    /// Of each request: its caller, and how long it takes.
    requests: Vec<(u64, Duration)>,
    /// What each worker computes, and how often it has asked.
    workers: Vec<(Vec<u64>, u64)>,
    /// When each request had its answer, and those that went out together with it.
    answered: Vec<Option<Duration>>,
    together: Vec<Vec<u64>>,
    last_of: Vec<Option<u64>>,
    now: Duration,
}

impl Schedule {
    fn new(shape: Shape, workers: u64, arrivals: &[(Duration, u64, Duration)]) -> Self {
        let due = arrivals.iter().enumerate();
        let due = due.map(|(number, (at, ..))| Reverse((*at, Event::Arrives(number as u64))));
        let mut it = Self {
            wish: Wish {
                shape,
                ahead_max: None,
                goal: None,
                workers_max: workers as usize,
                idle: Duration::from_secs(1),
            },
            queue: Queue::new(10_000),
            rota: Rota::default(),
            service: Service::default(),
            due: due.collect(),
            requests: arrivals.iter().map(|it| (it.1, it.2)).collect(),
            workers: vec![(Vec::new(), 0); workers as usize],
            answered: vec![None; arrivals.len()],
            together: Vec::new(),
            last_of: vec![None; 8],
            now: Duration::ZERO,
        };
        for worker in 0..workers {
            it.rota.start_one();
            it.rota.join(worker, Duration::ZERO);
            it.ask(worker);
        }
        it
    }

    fn run(mut self) -> Self {
        while let Some(Reverse((at, event))) = self.due.pop() {
            self.nobody_waits_beside_an_idle_worker(at);
            self.now = at;
            match event {
                Event::Arrives(number) => self.arrive(number),
                Event::Done(worker) => self.done(worker),
                Event::Asks(worker, asked) if self.workers[worker as usize].1 == asked => {
                    self.ask(worker);
                }
                Event::Asks(..) => {}
            }
        }
        assert!(self.queue.is_empty() && self.answered.iter().all(Option::is_some));
        self
    }

    /// Between this instant and the next, `until`.
    fn nobody_waits_beside_an_idle_worker(&mut self, until: Duration) {
        let Some(oldest) = self.queue.oldest_at() else {
            return;
        };
        let free = self.workers.iter().any(|(items, _)| items.is_empty());
        if free && until > self.now {
            let ready = self.rota.ready();
            let window = self.service.window(&self.wish, ready, self.now);
            assert!(
                until <= oldest + window.max(self.wish_window()),
                "one waits since {oldest:?} beside an idle worker until {until:?}, window {window:?}"
            );
            assert!(
                self.queue.len() < self.wish.shape.items_max(),
                "a full microbatch waits"
            );
        }
    }

    fn wish_window(&self) -> Duration {
        match self.wish.shape.wait {
            Wait::Fixed(window) => window,
            // It follows the rate, so the one that was told when the worker asked may have been longer; never than this.
            Wait::Auto => Duration::from_millis(200),
        }
    }

    fn junction(&mut self) -> Junction<'_, u64> {
        Junction {
            wish: &self.wish,
            queue: &mut self.queue,
            rota: &mut self.rota,
            service: &mut self.service,
        }
    }

    fn arrive(&mut self, number: u64) {
        let caller = self.requests[number as usize].0;
        self.service.arrived(self.now);
        self.queue.push(Waiting {
            it: number,
            number,
            caller,
            queued_at: self.now,
            until: None,
            alone: false,
        });
        if let Some(worker) = self.junction().call() {
            self.ask(worker);
        }
    }

    fn ask(&mut self, worker: u64) {
        let it = &mut self.workers[worker as usize];
        it.1 += 1;
        let (asked, ahead, now) = (it.1, usize::from(!it.0.is_empty()), self.now);
        match self.junction().take(Asker { worker, ahead }, now, |_| true) {
            Given::Items(items) => {
                let items = items.into_iter().map(|it| it.number).collect();
                self.send(worker, items);
                if let Some(next) = self.junction().call() {
                    self.ask(next);
                }
            }
            Given::Later(at) => self.due.push(Reverse((at, Event::Asks(worker, asked)))),
            Given::Nothing => {}
        }
    }

    fn send(&mut self, worker: u64, items: Vec<u64>) {
        assert!(!items.is_empty() && items.len() <= self.wish.shape.items_max());
        for number in &items {
            let caller = self.requests[*number as usize].0 as usize;
            assert!(
                self.last_of[caller] < Some(*number),
                "out of order or twice"
            );
            self.last_of[caller] = Some(*number);
        }
        let times = items.iter().map(|number| self.requests[*number as usize].1);
        let took = match self.wish.shape.many_max {
            Some(_) => times.max().unwrap_or_default(),
            None => times.sum(),
        };
        self.due
            .push(Reverse((self.now + took, Event::Done(worker))));
        self.together.push(items.clone());
        let held = &mut self.workers[worker as usize].0;
        assert!(held.is_empty(), "it had work");
        *held = items;
        self.service.measured(
            &self.wish.shape,
            self.together.last().map_or(1, Vec::len),
            took,
        );
    }

    fn done(&mut self, worker: u64) {
        for number in std::mem::take(&mut self.workers[worker as usize].0) {
            assert!(self.answered[number as usize].replace(self.now).is_none());
        }
        self.ask(worker);
    }
}

fn random(seed: u64) -> (Shape, u64, Vec<(Duration, u64, Duration)>) {
    let random = &mut Random::new(seed);
    let many_max = (random.below(4) > 0).then(|| 1 + random.below(12) as usize);
    let wait = match (many_max, random.below(3)) {
        (None, _) | (_, 0) => Wait::Fixed(Duration::ZERO),
        (_, 1) => Wait::Fixed(Duration::from_micros(1 + random.below(20_000))),
        _ => Wait::Auto,
    };
    let mut at = Duration::ZERO;
    // From bursts to long pauses; calls long enough that nothing runs ahead.
    let gap = 1 + random.below(20_000);
    let longest = 2_000 + random.below(40_000);
    let arrivals = (0..1 + random.below(24)).map(|_| {
        at += Duration::from_micros(random.below(gap));
        let took = Duration::from_micros(1_500 + random.below(longest));
        (at, random.below(4), took)
    });
    let arrivals = arrivals.collect();
    (Shape { many_max, wait }, 1 + random.below(4), arrivals)
}

#[test]
fn random_schedules_lose_nothing_keep_the_order_and_leave_nobody_waiting() {
    for seed in 0..schedules() {
        let (shape, workers, arrivals) = random(seed);
        let ended = std::panic::catch_unwind(|| Schedule::new(shape, workers, &arrivals).run());
        assert!(
            ended.is_ok(),
            "seed {seed}: {shape:?}, {workers} workers, {arrivals:?}"
        );
    }
}

#[test]
fn a_slow_item_holds_up_nobody_but_those_in_its_own_frame() {
    let shape = Shape {
        many_max: None,
        wait: Wait::Fixed(Duration::ZERO),
    };
    let slow = 500;
    let arrivals: Vec<_> = (0..1_001)
        .map(|number| {
            let micros = if number == slow { 5_000_000 } else { 100 };
            (
                Duration::from_micros(110 * number),
                number % 3,
                Duration::from_micros(micros),
            )
        })
        .collect();
    let ended = Schedule::new(shape, 2, &arrivals).run();
    let frame = ended
        .together
        .iter()
        .find(|frame| frame.contains(&slow))
        .unwrap();
    // A frame without `.many` carries half a millisecond of work.
    assert!(frame.len() <= 5, "{frame:?}");
    for (number, (arrived, ..)) in arrivals.iter().enumerate() {
        let took = ended.answered[number].unwrap() - *arrived;
        assert!(
            took <= HOLD_UP_MAX || frame.contains(&(number as u64)),
            "{number} waited {took:?}"
        );
    }
}
