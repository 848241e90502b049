//! One worker: its process, its socket, its output, and the items it computes.
//! Does not know pools, tickets, jobs or tasks: whoever has items hands them over with a sink each.

mod alarm;
mod ask;
mod drive;
mod flight;
#[cfg(test)]
mod flight_tests;
mod health;
mod item;
mod keeper;
mod line;
mod lines;
mod outbox;
#[cfg(test)]
pub(crate) mod peer_tests;
mod pipe;
mod scratch;
mod source;
mod start;
mod state;
mod told;

pub use ask::Asked;
pub use item::{End, Item, LogLine, Sink, Took};
pub use source::{Source, Take};
pub use start::Start;

use crate::{parts::Parts, spawn::spawn};
use drive::{Drive, Order};
use flight::Flight;
use health::Health;
use onstage_core::{
    model::{BuildFailure, Version},
    outcome::Failure,
    ports::Preparing,
    schema::ModelSchema,
};
use start::Started;
use state::AppState;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// A worker that is ready. Dropping the last handle stops it at once.
#[derive(Clone)]
pub struct Worker {
    number: u64,
    pid: u32,
    schema: Option<Arc<ModelSchema>>,
    environment_sha256: Option<Arc<str>>,
    orders: mpsc::UnboundedSender<Order>,
    wake: Arc<Notify>,
    ended: watch::Receiver<Option<Ended>>,
}

/// How a worker ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It died or was killed for misbehaving, and why.
    Died(Failure),
}

/// Numbers workers of this process; only for telling them apart.
static WORKERS: AtomicU64 = AtomicU64::new(1);

impl Worker {
    /// Launches a worker of a version and sets it up. What it prints until then goes to `preparing`.
    pub async fn start(
        parts: &Parts,
        version: &Version,
        how: &Start,
        preparing: &dyn Preparing,
    ) -> Result<Self, BuildFailure> {
        let started = start::start(parts, version, how, preparing).await?;
        Ok(Self::drive(parts, version, how, started, false))
    }

    /// The same, but until `end_trial` its app state is a scratch pad: what examples count is not counted for real.
    pub async fn start_on_trial(
        parts: &Parts,
        version: &Version,
        how: &Start,
        preparing: &dyn Preparing,
    ) -> Result<Self, BuildFailure> {
        let started = start::start(parts, version, how, preparing).await?;
        Ok(Self::drive(parts, version, how, started, true))
    }

    fn drive(parts: &Parts, version: &Version, how: &Start, started: Started, trial: bool) -> Self {
        let schema = started.schema.as_ref().or(version.schema());
        let together = schema.is_some_and(|schema| schema.many.is_some());
        let number = WORKERS.fetch_add(1, Ordering::Relaxed);
        let (orders, inbox) = mpsc::unbounded_channel();
        let (tell, ended) = watch::channel(None);
        let wake = Arc::new(Notify::new());
        let pid = started.line.keeper.pid;
        let drive = Drive {
            number,
            line: started.line,
            clock: parts.clock.clone(),
            flight: Flight::new(together, how.cancel_grace),
            source: None,
            wake: wake.clone(),
            orders: inbox,
            answers: orders.downgrade(),
            state: AppState::new(
                parts.clone(),
                version.model.clone(),
                orders.downgrade(),
                trial,
            ),
            health: Health::new(parts.clock.monotonic()),
            pending: VecDeque::new(),
            last_took: None,
            look_again: None,
            stopping: None,
            has_owners: true,
            said_exit: false,
            alarm: alarm::Alarm::default(),
        };
        let (tempdir, weights) = (started.tempdir, started.weights);
        spawn("worker", async move {
            let end = drive.run().await.map_or(Ended::Stopped, Ended::Died);
            // What is left in it is worth nothing without the worker.
            let _ = tokio::fs::remove_dir_all(&tempdir).await;
            drop(weights);
            tell.send_replace(Some(end));
        });
        Self {
            number,
            pid,
            schema: started.schema.map(Arc::new),
            environment_sha256: started.environment_sha256.map(Arc::from),
            orders,
            wake,
            ended,
        }
    }

    /// Tells workers of this process apart.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it said about its model, when it was asked.
    pub fn schema(&self) -> Option<&Arc<ModelSchema>> {
        self.schema.as_ref()
    }

    /// Of what it runs in, where Onstage made that.
    pub fn environment_sha256(&self) -> Option<&str> {
        self.environment_sha256.as_deref()
    }

    /// Computes items as one microbatch, after those handed over before. Every sink hears an end, also when the worker is gone.
    pub fn run(&self, items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        if let Err(mpsc::error::SendError(Order::Run(items))) = self.orders.send(Order::Run(items))
        {
            let why = Failure::new(
                onstage_core::outcome::Reason::WorkerLost,
                "the worker is gone",
            );
            for item in items.into_iter().rev() {
                let why = why.clone();
                item.sink.end(End::Returned { alone: false, why });
            }
        }
    }

    /// Runs one training; the worker was set up for it and does nothing else. `resume` is where the last checkpoint lies.
    pub fn train(&self, item: Item, resume: Option<String>) {
        let order = Order::Train(item, resume);
        if let Err(mpsc::error::SendError(Order::Train(item, _))) = self.orders.send(order) {
            let why = Failure::new(
                onstage_core::outcome::Reason::WorkerLost,
                "the worker is gone",
            );
            item.sink.end(End::Returned { alone: true, why });
        }
    }

    /// The item's caller gives up: told `canceled` at once; the worker is killed when it goes on for longer than the grace and nobody else waits for what it computes.
    pub fn cancel(&self, id: u64) {
        let _ = self.orders.send(Order::Cancel(id));
    }

    /// From now on app state is the real one.
    pub fn end_trial(&self) {
        let _ = self.orders.send(Order::EndTrial);
    }

    /// From now on the worker pulls from this queue whenever it has room.
    pub fn serve(&self, source: Arc<dyn Source>) {
        let _ = self.orders.send(Order::Serve(source));
    }

    /// What wakes it to look at its queue.
    pub fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    /// Takes nothing new, finishes what runs, exits; what is left after `grace` is killed. Returns when it is gone.
    pub async fn stop(&self, grace: Duration) {
        self.ask_to_stop(grace);
        self.ended().await;
    }

    pub fn ask_to_stop(&self, grace: Duration) {
        let _ = self.orders.send(Order::Stop { grace });
    }

    /// Resolves when it is gone.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let end = match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone(),
            Err(_) => None,
        };
        end.unwrap_or(Ended::Stopped)
    }

    pub fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Proportional set size of its process group, where the platform tells.
    pub async fn memory_bytes(&self) -> Option<u64> {
        let (tell, told) = oneshot::channel();
        self.orders.send(Order::Memory(tell)).ok()?;
        told.await.ok()?
    }
}
