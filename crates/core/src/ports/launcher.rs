//! The launcher: what starts a worker on this host, with its environment made and its socket connected.
//! Apart from `Driver`, because a worker is held by file descriptors and lives no longer than its host process, while a task is known by id and outlives it.

use crate::{Error, Result, config::ModelConfig, model::VersionId, outcome::Phase, value::BlobRef};
use async_trait::async_trait;
use std::{os::fd::OwnedFd, path::PathBuf, time::Duration};

/// A worker to start.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSpec {
    pub version: VersionId,
    pub bundle: BlobRef,
    pub config: ModelConfig,
    /// For log lines and `ONSTAGE_WORKER`.
    pub label: String,
    /// From the process's start until its socket is connected.
    pub dial_in_timeout: Duration,
    /// What it is given as `ctx.weights`, placed on this host.
    pub weights: Option<PathBuf>,
    /// More environment variables.
    pub environment: Vec<(String, String)>,
}

/// Who is told what happens before the worker runs: environments take minutes the first time.
pub trait Preparing: Send + Sync {
    fn phase(&self, phase: Phase, text: &str);
    /// A line of the resolver's or installer's output.
    fn line(&self, line: &str);
}

/// A worker's file descriptors.
#[derive(Debug)]
pub struct Attached {
    /// The connected Unix stream socket of the worker protocol.
    pub socket: OwnedFd,
    /// The read ends of the worker's standard output and error.
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// The kernel killed it because it, or it and its children, wanted more memory than there was or than they may have.
    OutOfMemory {
        /// The most that was held at a time, where it is known.
        peak_bytes: Option<u64>,
    },
}

impl Exit {
    /// Killed by somebody outside, which says nothing about the model: the next one may live.
    pub fn is_by_force(&self) -> bool {
        *self == Self::Signal(9)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::OutOfMemory {
                peak_bytes: Some(bytes),
            } => write!(
                f,
                "was killed for memory; it held up to {} MiB",
                bytes >> 20
            ),
            Self::OutOfMemory { peak_bytes: None } => write!(f, "was killed for memory"),
            Self::Signal(6) => write!(f, "aborted (SIGABRT)"),
            Self::Signal(9) => write!(f, "was killed (SIGKILL)"),
            Self::Signal(11) => write!(f, "crashed (segmentation fault)"),
            Self::Signal(number) => write!(f, "ended by signal {number}"),
        }
    }
}

/// The memory of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostMemory {
    pub total_bytes: u64,
    /// What could be had without anybody losing anything.
    pub available_bytes: u64,
}

/// Starts workers. Making the environment and unpacking the bundle happen inside, once per digest, whoever asks first.
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// Errors: user code (the environment cannot be made: the resolver's message; the process ended before it dialled in), timeout, unavailable.
    async fn launch(
        &self,
        spec: &WorkerSpec,
        preparing: &dyn Preparing,
    ) -> Result<Box<dyn WorkerProcess>>;
    /// The unpacked model folder of a bundle, for reading examples.
    async fn folder(&self, bundle: &BlobRef) -> Result<PathBuf>;
    /// The memory of the host that workers are started on, where that can be told.
    fn memory(&self) -> Option<HostMemory> {
        None
    }
    /// The version is no more: what is kept to start its workers faster may go.
    fn forget(&self, version: &VersionId);
}

/// Import and set-up took longer than `[realtime] startup_timeout`, wherever they ran.
pub fn not_ready(limit: Duration) -> Error {
    Error::timeout(format!(
        "the model was not ready within {} s (`startup_timeout`)",
        limit.as_secs_f64()
    ))
}

/// A started worker. Dropping it kills its whole process group.
#[async_trait]
pub trait WorkerProcess: Send + Sync {
    fn pid(&self) -> u32;
    /// The descriptors; the first call has them, later ones have none.
    fn attach(&mut self) -> Option<Attached>;
    /// Waits for the end of the process.
    async fn wait(&mut self) -> Exit;
    /// SIGTERM to the process group.
    fn terminate(&self);
    /// SIGKILL to the process group.
    fn kill(&self);
    /// Of what it runs in: over the interpreter and every package with its version. None where Onstage makes no environment.
    fn environment_sha256(&self) -> Option<&str> {
        None
    }
    /// Proportional set size of the process group in bytes, where the platform tells.
    fn memory_bytes(&self) -> Option<u64>;
}
