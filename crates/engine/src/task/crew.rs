//! The engine's own worker as a task's crew.
//! Does not know jobs.

use super::staff::{Crew, Hands};
use crate::{
    parts::Parts,
    worker::{Item, Start, Worker},
};
use async_trait::async_trait;
use onstage_core::{
    model::{BuildFailure, Version},
    outcome::{Failure, Reason},
    ports::Preparing,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Starts real workers.
pub(crate) struct WorkerCrew {
    pub(crate) parts: Parts,
    pub(crate) version: Version,
    pub(crate) how: Start,
    /// Workers started so far, for their labels.
    pub(crate) started: AtomicU32,
}

#[async_trait]
impl Crew for WorkerCrew {
    async fn start(&self, preparing: Arc<dyn Preparing>) -> Result<Arc<dyn Hands>, Failure> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let how = Start {
            label: format!("{}-{number}", self.how.label),
            ..self.how.clone()
        };
        Worker::start(&self.parts, &self.version, &how, &*preparing)
            .await
            .map(|worker| Arc::new(worker) as Arc<dyn Hands>)
            .map_err(not_started)
    }
}

#[async_trait]
impl Hands for Worker {
    fn submit(&self, microbatch: Vec<Item>) {
        self.run(microbatch);
    }

    fn train(&self, item: Item, resume: Option<String>) {
        Worker::train(self, item, resume);
    }

    fn cancel(&self, id: u64) {
        Worker::cancel(self, id);
    }

    fn kill(&self) {
        self.ask_to_stop(Duration::ZERO);
    }

    fn is_alive(&self) -> bool {
        !self.has_ended()
    }

    async fn ended(&self) {
        Worker::ended(self).await;
    }

    fn environment_sha256(&self) -> Option<String> {
        Worker::environment_sha256(self).map(str::to_owned)
    }

    async fn memory_bytes(&self) -> Option<u64> {
        Worker::memory_bytes(self).await
    }
}

fn not_started(failure: BuildFailure) -> Failure {
    let reason = match failure.kind.as_str() {
        "unavailable" => Reason::NoCapacity,
        "out_of_memory" => Reason::OutOfMemory,
        _ => Reason::SetupFailed,
    };
    Failure {
        reason,
        message: failure.message,
        field: None,
        traceback: failure.traceback,
    }
}
