//! The task: a short-lived process that drains the jobs of one version, and ends itself when there are no more.
//! Never calls a front; knows the store, the blobs and its own worker only.

mod batch;
mod check;
mod claim;
mod crew;
mod desk;
mod drain;
mod ending;
pub(crate) mod events;
mod farewell;
mod folder;
mod hold;
mod journal;
pub(crate) mod logs;
mod persist;
mod prediction;
mod staff;
mod tab;
mod training;

pub use batch::line::Line as ChunkLine;
pub use staff::{Crew, Hands};

use crate::{ask::Loaded, parts::Parts, spawn::spawn, worker::Start};
use crew::WorkerCrew;
use desk::Desk;
use onstage_core::{
    Id, Kind, Result,
    model::{Version, VersionId, VersionState},
    task::{Incarnation, Lane, Task},
    wire::to_worker::Work,
};
use staff::Staff;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// What a task's incarnation begins with; a front's does not.
const INCARNATION: &str = "task-";
/// Between two beats of a task's own record.
const TASK_BEAT_EVERY_MS: u64 = 2_000;

/// What a task is told at its start.
#[derive(Debug, Clone)]
pub struct TaskSettings {
    /// The id under which the driver started it.
    pub id: Id,
    pub version: VersionId,
    pub lane: Lane,
    pub host: String,
    pub pid: u32,
    /// Tables and results are written below it while they are worked on.
    pub tempdir: PathBuf,
    /// How long it waits for more work before it ends itself; the model's own when absent.
    pub linger: Option<Duration>,
    /// After this long it claims no more.
    pub stop_after: Duration,
    /// From asking a worker to stop something until its process group is killed.
    pub cancel_grace: Duration,
}

/// Why a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// Nothing was left to do.
    Idle,
    /// It was asked to stop.
    Stopped,
    /// It had run for `stop_after`.
    TimeUp,
    /// Another task has the same id: a doubled launch.
    Doubled,
    /// The version cannot be run (it is not ready, or was deleted).
    NoVersion(String),
    /// No worker could be started twice in a row.
    NoWorker(String),
}

impl TaskEnd {
    /// Whether the task did what it was started for; dispatch waits longer and longer before it repeats what did not.
    pub fn is_well(&self) -> bool {
        !matches!(self, Self::NoVersion(_) | Self::NoWorker(_))
    }
}

impl std::fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Idle => f.write_str("nothing was left to do"),
            Self::Stopped => f.write_str("it was asked to stop"),
            Self::TimeUp => f.write_str("its time was up"),
            Self::Doubled => f.write_str("another task has the same id"),
            Self::NoVersion(why) => write!(f, "its version cannot be run: {why}"),
            Self::NoWorker(why) => write!(f, "no worker could be started: {why}"),
        }
    }
}

/// Whether leases of this owner are a task's; all others are held by fronts.
pub(crate) fn is_task(owner: &Incarnation) -> bool {
    owner.0.starts_with(INCARNATION)
}

/// Drains the jobs of one version until there are none for `linger`, or `stop` is cancelled.
/// Errors: the store was away for too long, or a bug of ours.
pub async fn run_task(
    parts: Parts,
    settings: TaskSettings,
    stop: CancellationToken,
) -> Result<TaskEnd> {
    let crew = |version: &Version| -> Arc<dyn Crew> {
        Arc::new(WorkerCrew {
            parts: parts.clone(),
            version: version.clone(),
            how: Start {
                label: format!("task-{}", settings.id),
                tempdir: settings.tempdir.clone(),
                describe: false,
                cancel_grace: settings.cancel_grace,
                environment: Vec::new(),
                work: match settings.lane {
                    Lane::Jobs => Work::Predict,
                    Lane::Trainings => Work::Train,
                },
            },
            started: 0.into(),
        })
    };
    run_task_with(parts.clone(), settings.clone(), stop, crew).await
}

/// `run_task` with somebody else's workers.
pub async fn run_task_with(
    parts: Parts,
    settings: TaskSettings,
    stop: CancellationToken,
    crew: impl FnOnce(&Version) -> Arc<dyn Crew>,
) -> Result<TaskEnd> {
    let incarnation = Incarnation(format!("{INCARNATION}{}", parts.new_id()));
    if !register(&parts, &settings, &incarnation).await? {
        return Ok(TaskEnd::Doubled);
    }
    let beats = beat_task(parts.clone(), settings.id.clone(), incarnation.clone());
    let _beats = AbortOnDropHandle::new(spawn("beats of a task", beats));
    let end = match load(&parts, &settings.version).await? {
        Ok(loaded) => {
            let staff = Staff::new(crew(&loaded.version));
            let desk = Desk::new(
                parts.clone(),
                settings.clone(),
                incarnation,
                loaded,
                staff,
                stop,
            );
            let drained = CancellationToken::new();
            let draining = Box::pin(async {
                let _done = drained.clone().drop_guard();
                drain::drain(&desk).await
            });
            let (end, ()) = tokio::join!(draining, desk.settle_until(&drained));
            desk.staff.kill();
            desk.farewells.written().await;
            if let Err(error) = desk.settle().await {
                tracing::warn!(%error, "the usage of the last jobs was not written");
            }
            end?
        }
        Err(why) => TaskEnd::NoVersion(why),
    };
    let now = parts.clock.now();
    parts
        .store
        .end_task(&settings.id, &end.to_string(), now)
        .await?;
    Ok(end)
}

/// False when the id is taken: this launch is a double.
async fn register(
    parts: &Parts,
    settings: &TaskSettings,
    incarnation: &Incarnation,
) -> Result<bool> {
    let task = Task {
        id: settings.id.clone(),
        version: settings.version.clone(),
        incarnation: incarnation.clone(),
        host: settings.host.clone(),
        pid: settings.pid,
        started_at: parts.clock.now(),
        ended_at: None,
        end: None,
        beat: 0,
    };
    let registered = persist::insist(parts, "registering", || {
        parts.store.register_task(task.clone())
    });
    match registered.await {
        Ok(()) => Ok(true),
        Err(error) if error.kind == Kind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

async fn beat_task(parts: Parts, id: Id, incarnation: Incarnation) {
    loop {
        tokio::time::sleep(Duration::from_millis(TASK_BEAT_EVERY_MS)).await;
        if let Err(error) = parts.store.beat_task(&id, &incarnation).await {
            tracing::debug!(%error, "the task's own beat failed");
        }
    }
}

/// The version with its compiled checks, or why it cannot be run.
async fn load(parts: &Parts, id: &VersionId) -> Result<std::result::Result<Arc<Loaded>, String>> {
    let version = persist::insist(parts, "reading the version", || parts.store.version(id)).await?;
    let Some(version) = version else {
        return Ok(Err("it is not there".to_owned()));
    };
    let VersionState::Ready { schema, .. } = &version.state else {
        return Ok(Err(format!("it is {}", version.state.name())));
    };
    let schema = schema.clone();
    Ok(Ok(Arc::new(Loaded {
        input: parts.checks.input(&schema)?,
        output: parts.checks.output(&schema)?,
        model: version.model.clone(),
        schema,
        version,
    })))
}
