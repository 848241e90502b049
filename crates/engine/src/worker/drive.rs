//! The loop of one worker that is ready: gives it microbatches, matches its answers, watches its health, ends it.
//! Thin: who waits for what is decided in `flight`, what to send next by the source.

use super::{
    alarm::Alarm,
    ask::{Asked, Reply},
    flight::Flight,
    health::Health,
    item::{Item, LogLine},
    line::{Line, Woke},
    source::{Source, Take},
    state::AppState,
};
use onstage_core::{
    Clock,
    outcome::{Failure, Progress},
    wire::{FromWorker, ToWorker, to_worker},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, mpsc};

/// While microbatches take less than this, the next one is on its way to the worker while it computes.
/// An item's time limit is told when it is sent: what waits there for long would be told too short a one.
const HANDED_AHEAD_WITHIN: Duration = Duration::from_secs(1);

/// What the handle tells the loop. Every order comes from something that is bounded: an accepted item, a request of the worker, a stop.
pub(super) enum Order {
    /// Items of a caller without a queue of its own; they go out as one microbatch.
    Run(Vec<Item>),
    /// One training, with where its last checkpoint lies.
    Train(Item, Option<String>),
    Reply(Reply),
    Cancel(u64),
    /// From now on, pull from here.
    Serve(Arc<dyn Source>),
    EndTrial,
    StateAnswer {
        request: u64,
        answer: Result<String, String>,
    },
    /// Take nothing new, finish what runs, exit; kill what is left after the grace.
    Stop {
        grace: Duration,
    },
    Memory(tokio::sync::oneshot::Sender<Option<u64>>),
}

pub(super) struct Drive {
    pub number: u64,
    pub line: Line,
    pub clock: Arc<dyn Clock>,
    pub flight: Flight,
    pub source: Option<Arc<dyn Source>>,
    pub wake: Arc<Notify>,
    pub orders: mpsc::UnboundedReceiver<Order>,
    /// The way back for what is asked of others.
    pub answers: mpsc::WeakUnboundedSender<Order>,
    pub state: AppState,
    pub health: Health,
    /// Microbatches handed over by `run` that wait for their turn.
    pub pending: std::collections::VecDeque<Vec<Item>>,
    /// What the last microbatch took.
    pub last_took: Option<Duration>,
    /// When to look at the source again without being woken.
    pub look_again: Option<Duration>,
    /// Set by `Stop`: when to kill.
    pub stopping: Option<Duration>,
    /// Somebody still holds a handle to this worker.
    pub has_owners: bool,
    pub said_exit: bool,
    pub alarm: Alarm,
}

/// Why the loop must end.
pub(super) enum Over {
    /// It was told to stop and did.
    Stopped,
    /// Its process or socket ended by itself.
    Gone,
    /// It must be killed, and why.
    Kill(String),
}

impl Drive {
    /// Runs until the worker is gone; answers how it ended, `None` when it was told to.
    pub(super) async fn run(mut self) -> Option<Failure> {
        let over = loop {
            self.offer();
            self.line.flush();
            if let Err(over) = self.step().await {
                break over;
            }
        };
        self.bury(over).await
    }

    /// Waits for one thing and does what follows from it.
    async fn step(&mut self) -> Result<(), Over> {
        let alarm = self.alarm_at();
        self.alarm.set(alarm, &*self.clock);
        // Time and orders come first: a worker that never stops talking must still be stopped.
        tokio::select! {
            biased;
            () = self.alarm.rang() => self.look(),
            order = self.orders.recv(), if self.has_owners => match order {
                Some(order) => self.obey(order),
                // Every handle is gone: nobody can use this worker any more.
                None => {
                    self.has_owners = false;
                    self.obey(Order::Stop { grace: Duration::ZERO })
                }
            },
            woke = self.line.wake() => {
                let done = self.woke(&woke);
                // A pipe that is never empty is always ready; the thread belongs to others as well.
                tokio::task::yield_now().await;
                done
            }
            () = self.wake.notified(), if self.source.is_some() => Ok(()),
        }
    }

    /// Fills the worker's room from what was handed over, then from the source.
    fn offer(&mut self) {
        self.look_again = None;
        if self.stopping.is_some() {
            return self.part();
        }
        while self.flight.microbatches() < self.handed_max()
            && let Some(items) = self.pending.pop_front()
        {
            self.send(items);
        }
        let Some(source) = self.source.clone() else {
            return;
        };
        loop {
            match source.take(self.number, self.flight.microbatches()) {
                Take::Items(items) => self.send(items),
                Take::Nothing => return,
                Take::At(when) => {
                    self.look_again = Some(when);
                    return;
                }
            }
        }
    }

    /// Microbatches of `run` that the worker may have.
    fn handed_max(&self) -> usize {
        match self.last_took {
            Some(took) if took <= HANDED_AHEAD_WITHIN => 2,
            _ => 1,
        }
    }

    /// Says goodbye once nothing runs.
    fn part(&mut self) {
        while let Some(items) = self.pending.pop_front() {
            give_back(items, &stopped());
        }
        if self.flight.is_empty() && !self.said_exit {
            self.said_exit = true;
            self.line.say(&ToWorker::Exit);
        }
    }

    fn send(&mut self, items: Vec<Item>) {
        if self.flight.is_empty() {
            self.line.tail.clear();
        }
        let now = self.clock.monotonic();
        let wire: Vec<to_worker::Item> = items.iter().map(|item| on_wire(item, now)).collect();
        self.line.say(&ToWorker::Predict { items: &wire });
        self.flight.send(items, now);
        self.health.busy();
    }

    fn woke(&mut self, woke: &Woke) -> Result<(), Over> {
        match woke {
            Woke::Read => self.read(),
            Woke::Printed => {
                self.print();
                Ok(())
            }
            Woke::Closed => Err(self.gone()),
            Woke::Exited => {
                self.line.read_rest();
                self.read()?;
                Err(self.gone())
            }
        }
    }

    fn gone(&self) -> Over {
        if self.said_exit {
            Over::Stopped
        } else {
            Over::Gone
        }
    }

    fn read(&mut self) -> Result<(), Over> {
        while let Some(message) = self.line.hear().map_err(Over::Kill)? {
            self.heard(message)?;
        }
        if self.flight.is_empty() {
            self.health.idle(self.clock.monotonic());
        }
        Ok(())
    }

    fn heard(&mut self, message: FromWorker) -> Result<(), Over> {
        match message {
            FromWorker::Result(answers) => {
                self.print();
                let now = self.clock.monotonic();
                for answer in answers {
                    self.answered(answer, now);
                }
            }
            FromWorker::Chunk { id, index, output } => {
                self.print();
                self.flight
                    .chunk(id, index, output)
                    .map_err(|_| Over::Kill("a piece of a stream was missing".to_owned()))?;
            }
            FromWorker::Progress {
                id,
                done,
                total,
                text,
            } => {
                if let Some(item) = self.flight.wanted(id) {
                    item.sink.progress(Progress {
                        done,
                        total,
                        text,
                        used: None,
                    });
                }
            }
            FromWorker::Metric { id, values, step } => {
                if let Some(item) = self.flight.wanted(id) {
                    item.sink.metric(&values, step);
                }
            }
            FromWorker::Ask {
                request,
                id,
                question,
            } => {
                let asked = Asked::new(request, question, self.answers.clone());
                if let Some(item) = self.flight.wanted(id) {
                    item.sink.asked(asked);
                }
            }
            FromWorker::Log { id, level, text } => self.log(id, &level, &text),
            FromWorker::State(request) => self.ask_state(request),
            FromWorker::Pong { n } => self.health.pong(n, self.clock.monotonic()),
            // Out of place, but they change nothing.
            FromWorker::Hello { .. }
            | FromWorker::Schema(_)
            | FromWorker::Ready
            | FromWorker::Failed { .. }
            | FromWorker::Unknown => {}
        }
        Ok(())
    }

    fn answered(&mut self, answer: onstage_core::wire::from_worker::Answer, now: Duration) {
        let strays = self.flight.strays;
        let complete = self.flight.answer(answer, now);
        if let Some((_, took)) = complete {
            self.last_took = Some(took);
        }
        let Some(source) = &self.source else { return };
        if let Some((items, took)) = complete {
            source.measured(self.number, items, took);
        }
        if self.flight.strays > strays {
            source.stray();
        }
    }

    fn ask_state(&mut self, request: onstage_core::wire::from_worker::StateRequest) {
        if let Err((request, text)) = self.state.ask(request) {
            self.line.say(&ToWorker::State {
                request,
                answer: Err(text),
            });
        }
    }

    fn log(&mut self, id: Option<u64>, level: &str, text: &str) {
        self.line.tail.push(id, text);
        let line = LogLine {
            source: "log",
            level,
            text,
        };
        self.flight.each_printing(id, |item| item.sink.log(&line));
    }

    /// What was printed before a result belongs to it, so this runs before results are handed on.
    fn print(&mut self) {
        let flight = &self.flight;
        self.line.drain_prints(&mut |source, id, text| {
            let level = if source == "stderr" {
                "warning"
            } else {
                "info"
            };
            let line = LogLine {
                source,
                level,
                text,
            };
            flight.each_printing(id, |item| item.sink.log(&line));
        });
    }

    fn obey(&mut self, order: Order) -> Result<(), Over> {
        let now = self.clock.monotonic();
        match order {
            Order::Run(items) => self.pending.push_back(items),
            Order::Train(item, resume) => self.train(item, resume.as_deref(), now),
            Order::Reply(reply) => self.line.say(&reply.message()),
            Order::Cancel(id) => self.cancel(id, now),
            Order::EndTrial => self.state.end_trial(),
            Order::Serve(source) => self.source = Some(source),
            Order::StateAnswer { request, answer } => {
                let answer = answer.as_deref().map_err(String::as_str);
                self.line.say(&ToWorker::State { request, answer });
            }
            Order::Stop { grace } => {
                let until = now + grace;
                self.stopping = Some(self.stopping.map_or(until, |other| other.min(until)));
            }
            Order::Memory(tell) => {
                // Measured by the keeper, which may take a while: not awaited here.
                self.line.keeper.tell_memory(tell);
            }
        }
        Ok(())
    }

    fn train(&mut self, item: Item, resume: Option<&str>, now: Duration) {
        let wire = on_wire(&item, now);
        self.line.say(&ToWorker::Train {
            item: &wire,
            resume,
        });
        self.flight.send(vec![item], now);
        self.health.busy();
    }

    fn cancel(&mut self, id: u64, now: Duration) {
        if self.flight.cancel(id, now) {
            return self.line.say(&ToWorker::Cancel { id });
        }
        for items in &mut self.pending {
            if let Some(place) = items.iter().position(|item| item.id == id) {
                let item = items.remove(place);
                give_up(&item);
            }
        }
        self.pending.retain(|items| !items.is_empty());
    }

    /// The alarm rang: whose time is up, does the worker still live, must it go.
    fn look(&mut self) -> Result<(), Over> {
        let now = self.clock.monotonic();
        self.recall(now);
        let due = self.flight.look(now);
        for id in due.cancel {
            self.line.say(&ToWorker::Cancel { id });
        }
        if due.kill {
            return Err(Over::Kill(
                "it did not stop when it was asked to".to_owned(),
            ));
        }
        if self.stopping.is_some_and(|until| until <= now) {
            return Err(Over::Kill(
                "it was still running when its time to stop was over".to_owned(),
            ));
        }
        if self.health.is_lost(now) {
            return Err(Over::Kill("it did not answer a ping".to_owned()));
        }
        if let Some(n) = self.health.ping(now) {
            self.line.say(&ToWorker::Ping { n });
        }
        Ok(())
    }

    /// What waits behind a slow item goes to another worker, if one stands idle.
    fn recall(&mut self, now: Duration) {
        let Some(source) = &self.source else { return };
        if self.flight.is_slow(now) && source.has_idle_beside(self.number) {
            let ids = self.flight.offer();
            self.line.say(&ToWorker::Recall { ids: &ids });
        }
    }

    fn alarm_at(&self) -> Option<Duration> {
        let source = self.source.as_ref();
        [
            source.and_then(|_| self.flight.next_slow_look()),
            self.flight.next_look(),
            self.health.next_look(),
            self.stopping,
            self.look_again,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Ends the process and tells whoever still waits.
    async fn bury(mut self, over: Over) -> Option<Failure> {
        let (exit, cause) = match over {
            Over::Stopped => (self.line.end().await, None),
            Over::Gone => (self.line.end().await, None),
            Over::Kill(ref cause) => (self.line.kill().await, Some(cause.as_str())),
        };
        self.print();
        let why = self
            .line
            .obituary(exit.as_ref(), cause, |id| self.flight.has(id));
        self.flight.lost(&why, self.clock.monotonic());
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Run(items) => self.pending.push_back(items),
                Order::Train(item, _) => self.pending.push_back(vec![item]),
                _ => {}
            }
        }
        for items in self.pending.drain(..).rev() {
            give_back(items, &why);
        }
        (!matches!(over, Over::Stopped) && self.stopping.is_none()).then_some(why)
    }
}

fn on_wire(item: &Item, now: Duration) -> to_worker::Item {
    let left = item.until.map_or(item.limit, |until| {
        until.saturating_sub(now).min(item.limit)
    });
    to_worker::Item {
        id: item.id,
        input: item.input.clone(),
        seed: item.seed,
        deadline_ms: Some(left.as_millis() as u64),
    }
}

/// Items that never reached the worker.
fn give_back(items: Vec<Item>, why: &Failure) {
    for item in items.into_iter().rev() {
        item.sink.end(super::End::Returned {
            alone: false,
            why: why.clone(),
        });
    }
}

fn give_up(item: &Item) {
    item.sink.end(super::End::Failed {
        failure: Failure::new(onstage_core::outcome::Reason::Canceled, "it was canceled"),
        predict: super::Took::default(),
    });
}

fn stopped() -> Failure {
    Failure::new(
        onstage_core::outcome::Reason::WorkerLost,
        "the worker was told to stop",
    )
}
