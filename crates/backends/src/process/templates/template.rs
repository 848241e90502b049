//! One template: a process that holds a version's code imported, or also set up, and that workers are forked from.
//! Does not decide how long it is kept.

use super::{
    super::{
        adopted::Adopted,
        dial_in::{self, Output},
        kernel_kills::Watch,
        place::{Place, TempFolder},
        spawner::Spawner,
        worker::{Process, Worker},
    },
    talk::{Files, FromTemplate, Talk, ToTemplate},
};
use crate::clock;
use onstage_core::{
    Error, Kind, Result,
    config::Share,
    outcome::Phase,
    ports::{Preparing, WorkerProcess, WorkerSpec, not_ready},
};
use rustix::{
    fs::{OFlags, fcntl_setfl},
    pipe::{PipeFlags, pipe_with},
};
use std::{collections::BTreeMap, io, process::Command, sync::Arc, time::Duration};

/// A fork takes milliseconds, on a machine that pages out some seconds.
const FORK_SECONDS_MAX: u64 = 20;

/// What a worker has for itself: where it connects to, and variables that differ from its template's.
pub(super) struct Cradle {
    pub(super) place: Place,
    pub(super) variables: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Template {
    process: Worker,
    talk: Talk,
    spawner: Arc<Spawner>,
    /// What the author's set-up has put there, its workers use.
    temp: Arc<TempFolder>,
}

/// A template that has done its part.
pub(super) enum Prepared {
    /// Workers may be forked from it.
    Ready(Template),
    /// It can only be a worker itself.
    Alone(Template, Alone),
}

/// Why no worker can be forked from a template.
pub(super) enum Alone {
    /// The author's code has failed; as a worker it tells how.
    Failed,
    /// The end of a sentence that says what stands in the way.
    Obstacle(String),
}

/// Why there is no template.
pub(super) enum Lost {
    /// It has ended, or something of ours was in the way: a worker by itself may do better, or says why not.
    Gone(String),
    /// For whoever asked for the worker.
    Told(Error),
}

impl Template {
    /// Starts the process and waits until it has imported the model, or also set it up.
    pub(super) async fn start(
        place: Place,
        command: Command,
        spawner: &Arc<Spawner>,
        spec: &WorkerSpec,
        preparing: &dyn Preparing,
    ) -> Result<Prepared, Lost> {
        let temp = place.temp.clone();
        let mut process = dial_in::start(place, command, spawner, spec)
            .await
            .map_err(|error| match error.kind {
                Kind::Timeout => Lost::Told(error),
                _ => Lost::Gone(error.to_string()),
            })?;
        let attached = process
            .attach()
            .ok_or_else(|| Lost::Gone("it has no socket".to_owned()))?;
        let mut template = Self {
            process,
            talk: Talk::new(attached).map_err(|error| gone(&error))?,
            spawner: spawner.clone(),
            temp,
        };
        let limit = spec.dial_in_timeout;
        match tokio::time::timeout(limit, template.prepare(spec, preparing)).await {
            Ok(Ok(None)) => Ok(Prepared::Ready(template)),
            Ok(Ok(Some(alone))) => Ok(Prepared::Alone(template, alone)),
            Ok(Err(error)) => Err(gone(&error)),
            Err(_) => {
                template.talk.pass_on(preparing);
                Err(Lost::Told(not_ready(limit)))
            }
        }
    }

    async fn prepare(
        &mut self,
        spec: &WorkerSpec,
        preparing: &dyn Preparing,
    ) -> io::Result<Option<Alone>> {
        let share = match spec.config.realtime.shared() {
            Share::Setup => "setup",
            Share::Import | Share::Nothing => "import",
        };
        let message = ToTemplate::Prepare {
            share,
            weights: spec.weights.as_deref().and_then(|path| path.to_str()),
            tempdir: &self.temp.path().to_string_lossy(),
            // As large as a number may be that every reader of JSON takes.
            seed: clock::entropy() as u64 >> 11,
        };
        preparing.phase(Phase::Loading, "loading");
        self.talk.say(&message, None).await?;
        match self.talk.hear(preparing).await? {
            FromTemplate::Prepared { failed: true, .. } => Ok(Some(Alone::Failed)),
            FromTemplate::Prepared { obstacle, .. } => Ok(obstacle.map(Alone::Obstacle)),
            other => Err(io::Error::other(format!("it answered with {other:?}"))),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Forks a worker, which is on its way to connect then.
    pub(super) async fn fork(
        &mut self,
        variables: &BTreeMap<String, String>,
        preparing: &dyn Preparing,
    ) -> io::Result<Forked> {
        let kills = Watch::start();
        let (output, ends) = Output::new().map_err(io::Error::other)?;
        let (life, our_life) = pipe_with(PipeFlags::CLOEXEC)?;
        let (our_end, end) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&our_end, OFlags::NONBLOCK)?;
        let files = Files {
            output: ends,
            life,
            end,
        };
        let message = ToTemplate::Fork { variables };
        let asked = async {
            self.talk.say(&message, Some(files)).await?;
            self.talk.hear(preparing).await
        };
        let answer = tokio::time::timeout(Duration::from_secs(FORK_SECONDS_MAX), asked)
            .await
            .map_err(io::Error::other)??;
        match answer {
            FromTemplate::Forked { pid } => {
                let child = Process::Forked(Adopted::new(pid, our_end)?);
                let mut worker = Worker::new(child, pid, self.spawner.clone(), kills);
                worker.keep(self.temp.clone());
                worker.keep(Arc::new(our_life));
                Ok(Forked {
                    worker,
                    output,
                    kills,
                })
            }
            FromTemplate::Failed { error } => Err(io::Error::other(error)),
            other => Err(io::Error::other(format!("it answered with {other:?}"))),
        }
    }

    /// The template itself becomes the worker.
    pub(super) async fn become_worker(self, cradle: Cradle, spec: &WorkerSpec) -> Result<Worker> {
        let message = ToTemplate::Serve {
            variables: &cradle.variables,
        };
        self.talk.say(&message, None).await.map_err(|error| {
            Error::unavailable(format!("worker `{}` was lost", spec.label)).because(error)
        })?;
        let kills = Watch::start();
        dial_in::connect(
            cradle.place,
            self.process,
            self.talk.into_output(),
            kills,
            spec,
        )
        .await
    }
}

/// A worker that was forked and has not connected yet.
pub(super) struct Forked {
    worker: Worker,
    output: Output,
    kills: Watch,
}

impl Forked {
    pub(super) async fn connect(self, place: Place, spec: &WorkerSpec) -> Result<Worker> {
        dial_in::connect(place, self.worker, self.output, self.kills, spec).await
    }
}

fn gone(error: &io::Error) -> Lost {
    Lost::Gone(error.to_string())
}
