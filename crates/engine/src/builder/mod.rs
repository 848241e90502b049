//! The builder: takes versions in state building to ready or failed, and makes those live that asked for it.
//! Holds no truth: a front that dies while it builds leaves a version in state building, and the next front builds it again.

mod examples;
mod promote;
mod report;
mod trial;

pub use report::log_key;

use crate::{
    house::House,
    packing::Lack,
    parts::{Parts, Settings},
    pool::{Room, devices, need_of},
    spawn::spawn,
    worker::{Start, Worker},
};
use onstage_core::{
    Kind, Result,
    model::{BuildFailure, Version, VersionId, VersionState},
    ports::Preparing,
    task::Lane,
    wire::to_worker::Work,
};
use report::Report;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// How often what is to be built is looked for without any news: a store that did not answer gives none.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How often a build looks whether its version is still wanted.
const REMOVED_LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a build is tried again when something of ours, not of the model's, was in the way.
const UNAVAILABLE_TRIES_MAX: u32 = 3;
const UNAVAILABLE_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Builder {
    parts: Parts,
    settings: Arc<Settings>,
    house: Arc<House>,
    running: Mutex<HashSet<VersionId>>,
    permits: Arc<Semaphore>,
    pub nudged: Notify,
}

impl Builder {
    pub(crate) fn new(house: Arc<House>) -> Arc<Self> {
        let settings = house.stage.settings.clone();
        Arc::new(Self {
            parts: house.stage.parts.clone(),
            permits: Arc::new(Semaphore::new(settings.builds_max.max(1) as usize)),
            settings,
            house,
            running: Mutex::default(),
            nudged: Notify::new(),
        })
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, HashSet<VersionId>> {
        self.running.lock().unwrap_or_else(|it| it.into_inner())
    }

    /// Looks whenever the catalog changed or somebody nudges, until `stop`.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut changed = self.house.catalog.changed.subscribe();
        loop {
            match self.parts.store.building().await {
                Ok(versions) => versions.into_iter().for_each(|it| self.begin(it, &stop)),
                Err(error) => tracing::debug!(%error, "what is to be built cannot be read now"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.nudged.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                changed = changed.changed() => if changed.is_err() { return },
            }
        }
    }

    fn begin(self: &Arc<Self>, version: Version, stop: &CancellationToken) {
        if !self.running().insert(version.id.clone()) {
            return;
        }
        let (builder, stop) = (self.clone(), stop.clone());
        spawn("build", async move {
            let id = version.id.clone();
            let permit = builder.permits.clone().acquire_owned().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = builder.build(version) => {}
            }
            drop(permit);
            builder.running().remove(&id);
            builder.house.catalog.nudged.notify_one();
        });
    }

    async fn build(&self, version: Version) {
        let id = version.id.clone();
        let report = Report::start(&self.parts, &id);
        let mut tries = 0;
        let built = loop {
            tries += 1;
            let how = self.how(&version);
            let built = tokio::select! {
                built = self.attempt(&version, &how, &report) => built,
                () = self.removed(&id) => {
                    tracing::info!(version = %id, "a build is given up: its version was removed");
                    self.parts.launcher.forget(&id);
                    // The worker is killed with what was dropped; nobody else knows this folder.
                    let _ = tokio::fs::remove_dir_all(how.tempdir.join(&how.label)).await;
                    return;
                }
            };
            match built {
                Err(failure) if failure.kind == "unavailable" && tries < UNAVAILABLE_TRIES_MAX => {
                    report.line(&format!("{}; it is tried again", failure.message));
                    tokio::time::sleep(UNAVAILABLE_WAIT).await;
                }
                built => break built,
            }
        };
        if let Err(failure) = &built {
            report.failed(failure);
        }
        report.keep_log().await;
        if report.overtaken.load(Relaxed) {
            return;
        }
        drop(report);
        if let Err(error) = self.conclude(version, built).await {
            tracing::warn!(version = %id, %error, "a version's end could not be written; it is built again");
        }
    }

    /// Launch, describe, compile, set up, try the examples.
    async fn attempt(
        &self,
        version: &Version,
        how: &Start,
        report: &Arc<Report>,
    ) -> Result<Built, BuildFailure> {
        let preparing: Arc<dyn Preparing> = report.clone();
        let (need, host) = (need_of(&version.config, None), &self.house.stage.host);
        let room = host.take_on_trial(&need).map_err(cannot_be_here)?;
        for lane in [Lane::Jobs, Lane::Trainings] {
            let gpu = version.config.of_lane(lane).gpu;
            host.gpus.check(gpu).map_err(cannot_be_here)?;
        }
        let how = Start {
            environment: devices(&room),
            ..how.clone()
        };
        let worker = Worker::start_on_trial(&self.parts, version, &how, &*preparing).await?;
        let schema = worker
            .schema()
            .cloned()
            .unwrap_or_else(|| unreachable!("`describe` was asked for"));
        let tried = async {
            let loaded = trial::compile(&self.parts, version.clone(), schema.clone())?;
            trial::run(&self.parts, &worker, &loaded, &preparing).await
        };
        match tried.await {
            Ok(()) => Ok(Built {
                worker,
                room,
                schema,
            }),
            Err(failure) => {
                worker.stop(self.settings.cancel_grace).await;
                Err(failure)
            }
        }
    }

    /// Until the version is not one to be built any more.
    async fn removed(&self, id: &VersionId) {
        loop {
            tokio::time::sleep(REMOVED_LOOK_EVERY).await;
            match self.parts.store.version(id).await {
                Ok(Some(version)) if matches!(version.state, VersionState::Building { .. }) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(version = %id, %error, "a version cannot be read now");
                }
            }
        }
    }

    fn how(&self, version: &Version) -> Start {
        Start {
            label: format!("{}-build-{}", version.model.name(), self.parts.new_id()),
            tempdir: self.settings.tempdir.clone(),
            describe: true,
            cancel_grace: self.settings.cancel_grace,
            environment: Vec::new(),
            work: Work::Predict,
        }
    }

    /// Writes how it ended; the worker that was tried goes to the version's pool when that will answer.
    async fn conclude(&self, version: Version, built: Result<Built, BuildFailure>) -> Result<()> {
        let built = match built {
            Ok(built) => built,
            Err(error) => {
                tracing::info!(model = %version.model, version = version.number, kind = error.kind, why = error.message, "a version could not be built");
                self.parts.launcher.forget(&version.id);
                self.set_state(&version.id, VersionState::Failed { error })
                    .await?;
                return Ok(());
            }
        };
        let schema = built.schema.clone();
        let background = schema.background;
        let ready = self
            .set_state(
                &version.id,
                VersionState::Ready {
                    schema,
                    withdrawn: None,
                    environment_sha256: built.worker.environment_sha256().map(str::to_owned),
                },
            )
            .await;
        let keep = matches!(&ready, Ok(true)) && version.promote_when_ready && !background;
        if keep
            && let Ok(loaded) = self.house.catalog.loaded(&version.id).await
            && let Some(pool) = self.house.pool(&loaded)
        {
            built.worker.end_trial();
            pool.adopt(built.worker, built.room);
        } else {
            built.worker.ask_to_stop(self.settings.cancel_grace);
        }
        if ready? && version.promote_when_ready {
            promote::promote(&self.parts, &version).await?;
        }
        Ok(())
    }

    /// False when another front was first.
    async fn set_state(&self, id: &VersionId, state: VersionState) -> Result<bool> {
        let mut wait = UNAVAILABLE_WAIT / 8;
        loop {
            match self.parts.store.set_version_state(id, state.clone()).await {
                Ok(_) => return Ok(true),
                Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => {
                    return Ok(false);
                }
                Err(error) if error.kind.retryable() && wait < UNAVAILABLE_WAIT * 16 => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn cannot_be_here(lack: Lack) -> BuildFailure {
    let message = match lack {
        Lack::Ever(why) => why,
        Lack::Room | Lack::Gpus => "this machine has no room for it now".to_owned(),
    };
    BuildFailure {
        kind: "no_capacity".to_owned(),
        message,
        traceback: None,
        hint: Some(
            "ask for less in `[realtime]`, `[jobs]` or `[training]` of `onstage.toml`, or serve it on a larger machine"
                .to_owned(),
        ),
    }
}

struct Built {
    worker: Worker,
    room: Room,
    schema: Arc<onstage_core::schema::ModelSchema>,
}
