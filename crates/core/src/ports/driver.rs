//! Drivers: what starts and stops tasks (as processes here, as containers or cloud tasks elsewhere).

use crate::{Id, Result, gpu::GpuShare, model::VersionId, task::Lane};
use async_trait::async_trait;
use std::time::Duration;

/// A task to start: `onstage task` for one version.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// Starting the same id twice starts one task.
    pub id: Id,
    pub version: VersionId,
    pub lane: Lane,
    pub memory_bytes: Option<u64>,
    pub cpu: Option<f64>,
    /// The GPUs that its worker may see; none: it is not told.
    pub gpus: Option<GpuShare>,
    /// The task's own hard deadline.
    pub stop_after: Duration,
}

/// A task as its driver sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub id: Id,
    pub version: VersionId,
    pub lane: Lane,
    /// What it was started with, so that a front that comes later does not give it away.
    pub gpus: Option<GpuShare>,
    pub state: RunState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    Alive,
    /// Known to have ended, and how (`exit code 3`, `killed by signal 9`). Reported for a while, then forgotten.
    Ended(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `list` says within about a second that a task is gone, so its lease need not run out first.
    pub sees_deaths: bool,
}

/// Starts and stops tasks. Truth comes from `list` and the store, so that a restarted front reconciles instead of remembering.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    async fn start(&self, spec: &TaskSpec) -> Result<()>;
    /// Asks (SIGTERM), waits `grace`, then kills the whole process group.
    async fn stop(&self, id: &Id, grace: Duration) -> Result<()>;
    async fn list(&self) -> Result<Vec<Running>>;
    fn capabilities(&self) -> Capabilities;
}
