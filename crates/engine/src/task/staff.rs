//! The task's own worker: started when first needed, replaced when it died, given up when it cannot be started.
//! Does not know how workers are started; a `Crew` does.

use crate::worker::Item;
use async_trait::async_trait;
use onstage_core::{
    outcome::{Failure, Phase},
    ports::Preparing,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often a start is tried before the jobs at hand fail.
const STARTS_MAX: u32 = 2;
/// Before the second try.
const START_PAUSE_MS: u64 = 500;

/// Starts workers of the task's version.
#[async_trait]
pub trait Crew: Send + Sync {
    /// Answers a worker whose setup is done. The failure says `setup_failed` with the author's traceback, `timeout`, or `no_capacity` when it is not the author's fault.
    async fn start(&self, preparing: Arc<dyn Preparing>) -> Result<Arc<dyn Hands>, Failure>;
}

/// A started worker.
#[async_trait]
pub trait Hands: Send + Sync {
    /// Takes a microbatch behind those it has. Every item's sink hears its end, also when the worker dies.
    fn submit(&self, microbatch: Vec<Item>);
    /// Runs one training, in a worker that was set up for it; `resume` is where the last checkpoint lies.
    fn train(&self, item: Item, resume: Option<String>);
    /// Stops one item, by force after the grace if need be; its sink hears `canceled` at once.
    fn cancel(&self, id: u64);
    /// Kills its process group now.
    fn kill(&self);
    fn is_alive(&self) -> bool;
    /// Resolves when it is gone.
    async fn ended(&self);

    /// Of the environment that it runs in, where Onstage made that.
    fn environment_sha256(&self) -> Option<String> {
        None
    }

    /// What it uses now, where that can be told.
    async fn memory_bytes(&self) -> Option<u64> {
        None
    }
}

/// The one worker of a task.
pub(crate) struct Staff {
    crew: Arc<dyn Crew>,
    /// Held while starting, so that there is one start at a time.
    starting: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hands: Option<Arc<dyn Hands>>,
    /// Why no worker can be started, once that is certain.
    hopeless: Option<Failure>,
}

impl Staff {
    pub(crate) fn new(crew: Arc<dyn Crew>) -> Self {
        Self {
            crew,
            starting: tokio::sync::Mutex::new(()),
            state: Mutex::default(),
        }
    }

    /// The worker, started first if there is none. Fails when two starts in a row did; from then on at once.
    pub(crate) async fn hands(
        &self,
        preparing: Arc<dyn Preparing>,
    ) -> Result<Arc<dyn Hands>, Failure> {
        let _turn = self.starting.lock().await;
        if let Some(hands) = self.current() {
            return Ok(hands);
        }
        if let Some(failure) = self.hopeless() {
            return Err(failure);
        }
        let mut tries = 1;
        loop {
            preparing.phase(Phase::Loading, "starting the model");
            match self.crew.start(preparing.clone()).await {
                Ok(hands) => {
                    self.state().hands = Some(hands.clone());
                    return Ok(hands);
                }
                Err(failure) if tries >= STARTS_MAX => {
                    self.state().hopeless = Some(failure.clone());
                    return Err(failure);
                }
                Err(failure) => {
                    preparing.line(&format!("the model did not start: {}", failure.message));
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(START_PAUSE_MS)).await;
                }
            }
        }
    }

    /// The worker, if one is alive.
    pub(crate) fn current(&self) -> Option<Arc<dyn Hands>> {
        self.state().hands.clone().filter(|hands| hands.is_alive())
    }

    /// Why no worker can be started, when that is so.
    pub(crate) fn hopeless(&self) -> Option<Failure> {
        self.state().hopeless.clone()
    }

    /// Kills the worker, if there is one.
    pub(crate) fn kill(&self) {
        if let Some(hands) = self.state().hands.take() {
            hands.kill();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
