//! The task side of the joining: store, blobs and a launcher for jobs, without a gateway.
//! Decides nothing about jobs; the engine does.

use super::{host, parts, raise_descriptors, scratch::Scratch};
use crate::{environment::Environment, settings::Settings};
use onstage_core::{Error, Id, Kind, Result, model::VersionId, task::Lane};
use onstage_engine::task::TaskSettings;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a task is told by who starts it.
#[derive(Debug)]
pub(crate) struct TaskOrder {
    pub(crate) id: Id,
    pub(crate) version: VersionId,
    pub(crate) lane: Lane,
    pub(crate) linger: Option<Duration>,
    pub(crate) stop_after: Duration,
}

/// Runs it to its end. Having nothing to do is a good end.
pub(crate) async fn run_task(
    settings: &Settings,
    environment: &Environment,
    order: TaskOrder,
    stop: CancellationToken,
) -> Result<()> {
    raise_descriptors();
    let scratch = match Scratch::take(&settings.data, &format!("task-{}", order.id)) {
        Err(error) if error.kind == Kind::Conflict => {
            tracing::info!(task = %order.id, "the task runs already; this one ends");
            return Ok(());
        }
        taken => taken?,
    };
    let parts = parts::for_task(settings, environment, order.lane).await?;
    let defaults = onstage_engine::Settings::default();
    let ended = onstage_engine::task::run_task(
        parts,
        TaskSettings {
            id: order.id,
            version: order.version,
            lane: order.lane,
            host: host::name(),
            pid: std::process::id(),
            tempdir: scratch.path().to_owned(),
            linger: order.linger,
            stop_after: order.stop_after,
            cancel_grace: defaults.cancel_grace,
        },
        stop,
    )
    .await?;
    tracing::info!("the task ends: {ended}");
    if ended.is_well() {
        Ok(())
    } else {
        Err(Error::unavailable(ended.to_string()))
    }
}
