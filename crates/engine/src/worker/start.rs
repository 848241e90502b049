//! The start of a worker: launch, hello, describe, setup, ready; or why not, for the scientist.
//! Does not know predictions.

use super::{
    line::{Line, Woke},
    told::Told,
};
use crate::parts::Parts;
use onstage_core::{
    Error, Kind,
    config::{ModelConfig, RealtimeSection},
    model::{BuildFailure, Version},
    outcome::{Phase, Reason},
    ports::{Exit, Placed, Preparing, WorkerSpec, not_ready},
    schema::ModelSchema,
    wire::{FromWorker, PROTOCOL, ToWorker, from_worker::WorkerError, to_worker::Work},
};
use std::{path::PathBuf, time::Duration};

/// How a worker is to be started.
#[derive(Debug, Clone)]
pub struct Start {
    /// For log lines and `ONSTAGE_WORKER`; also the name of its temporary folder.
    pub label: String,
    /// Where temporary folders lie.
    pub tempdir: PathBuf,
    /// Ask for the schema; else `schema` of the version is trusted.
    pub describe: bool,
    /// From asking a worker to stop something until its process group is killed.
    pub cancel_grace: Duration,
    /// More environment variables.
    pub environment: Vec<(String, String)>,
    /// What it is set up for.
    pub work: Work,
}

/// A worker that is set up, before it serves.
pub(super) struct Started {
    pub line: Line,
    pub schema: Option<ModelSchema>,
    pub tempdir: PathBuf,
    pub environment_sha256: Option<String>,
    /// Keeps the weights on this host.
    pub weights: Option<Placed>,
}

/// Everything from the launch to `ready`. The environment may take as long as it takes; the worker has `startup_timeout`.
pub(super) async fn start(
    parts: &Parts,
    version: &Version,
    how: &Start,
    preparing: &dyn Preparing,
) -> Result<Started, BuildFailure> {
    let weights = placed_weights(parts, version, preparing).await?;
    let path = weights.as_ref().map(|it| it.path.clone());
    let (spec, config) = (spec(version, how, path), &version.config.realtime);
    let process = parts
        .launcher
        .launch(&spec, preparing)
        .await
        .map_err(|error| launch_failed(error, config))?;
    let environment_sha256 = process.environment_sha256().map(str::to_owned);
    let mut line = Line::new(process).map_err(|error| ours(&error))?;
    let limit = config.startup_timeout.0;
    let told =
        match tokio::time::timeout(limit, open(parts, how, &spec, &mut line, preparing)).await {
            Ok(told) => told,
            Err(_) => Err(Told::TooSlow(limit)),
        };
    match told {
        Ok((schema, tempdir)) => Ok(Started {
            line,
            schema,
            tempdir,
            environment_sha256,
            weights,
        }),
        Err(told) => {
            let failure = explain(line, told, config, preparing).await;
            // What is left in it is worth nothing without the worker.
            let _ = tokio::fs::remove_dir_all(how.tempdir.join(&how.label)).await;
            Err(failure)
        }
    }
}

/// Where the version's weights lie on this host; fetched first if need be, which may take its time.
async fn placed_weights(
    parts: &Parts,
    version: &Version,
    preparing: &dyn Preparing,
) -> Result<Option<Placed>, BuildFailure> {
    let Some(weights) = &version.weights else {
        return Ok(None);
    };
    preparing.phase(Phase::Installing, "fetching the weights");
    let placed = parts.parcels.place(weights).await;
    placed.map(Some).map_err(|error| ours(&error))
}

fn spec(version: &Version, how: &Start, weights: Option<PathBuf>) -> WorkerSpec {
    WorkerSpec {
        version: version.id.clone(),
        bundle: version.bundle.clone(),
        config: ModelConfig::clone(&version.config),
        label: how.label.clone(),
        dial_in_timeout: version.config.realtime.startup_timeout.0,
        weights,
        environment: how.environment.clone(),
    }
}

async fn open(
    parts: &Parts,
    how: &Start,
    spec: &WorkerSpec,
    line: &mut Line,
    preparing: &dyn Preparing,
) -> Result<(Option<ModelSchema>, PathBuf), Told> {
    preparing.phase(Phase::Loading, "loading");
    hello(line, preparing).await?;
    let mut schema = None;
    if how.describe {
        line.say(&ToWorker::Describe);
        match answer(line, preparing).await? {
            FromWorker::Schema(told) => schema = Some(*told),
            other => return Err(Told::unexpected("describe", &other)),
        }
    }
    let tempdir = how.tempdir.join(&how.label);
    tokio::fs::create_dir_all(&tempdir)
        .await
        .map_err(|error| Told::Ours(format!("`{}` cannot be made: {error}", tempdir.display())))?;
    line.say(&ToWorker::Setup {
        weights: spec.weights.as_deref().and_then(|path| path.to_str()),
        tempdir: &tempdir.to_string_lossy(),
        seed: parts.seed(),
        work: how.work,
    });
    match answer(line, preparing).await? {
        FromWorker::Ready => Ok((schema, tempdir)),
        other => Err(Told::unexpected("setup", &other)),
    }
}

async fn hello(line: &mut Line, preparing: &dyn Preparing) -> Result<(), Told> {
    match answer(line, preparing).await? {
        FromWorker::Hello { protocol, .. } if protocol == PROTOCOL => Ok(()),
        FromWorker::Hello { protocol, .. } => Err(Told::Garbage(format!(
            "it speaks version {protocol} of the protocol, not {PROTOCOL}"
        ))),
        other => Err(Told::unexpected("hello", &other)),
    }
}

/// The next message that is an answer; what the author prints meanwhile is passed on.
async fn answer(line: &mut Line, preparing: &dyn Preparing) -> Result<FromWorker, Told> {
    loop {
        line.flush();
        let message = line.hear().map_err(Told::Garbage)?;
        match message {
            Some(FromWorker::Failed { during, error }) => {
                return Err(Told::Failed { during, error });
            }
            Some(FromWorker::Log { text, .. }) => {
                line.tail.push(None, &text);
                preparing.line(&text);
            }
            Some(FromWorker::Pong { .. } | FromWorker::Unknown) => {}
            Some(FromWorker::State(state)) => line.say(&ToWorker::State {
                request: state.request,
                answer: Err("app state is there for predictions, not for setup"),
            }),
            Some(message) => {
                pass_prints_on(line, preparing);
                return Ok(message);
            }
            None => match line.wake().await {
                Woke::Read => {}
                Woke::Printed => pass_prints_on(line, preparing),
                Woke::Closed => return Err(Told::Gone),
                Woke::Exited if line.read_rest() => {}
                Woke::Exited => return Err(Told::Gone),
            },
        }
    }
}

fn pass_prints_on(line: &mut Line, preparing: &dyn Preparing) {
    line.drain_prints(&mut |_, _, text| preparing.line(text));
}

/// Ends the worker and says what went wrong.
async fn explain(
    mut line: Line,
    told: Told,
    config: &RealtimeSection,
    preparing: &dyn Preparing,
) -> BuildFailure {
    let exit = match &told {
        Told::Gone => line.end().await,
        Told::Failed { .. } => {
            line.say(&ToWorker::Exit);
            line.flush();
            line.end().await
        }
        _ => line.kill().await,
    };
    pass_prints_on(&mut line, preparing);
    let death = line.obituary(exit.as_ref(), None, |_| false);
    let (kind, message, traceback) = match told {
        Told::Failed { during, error } => failed(&during, error),
        Told::Gone if death.reason == Reason::OutOfMemory => (
            "out_of_memory".to_owned(),
            format!(
                "the model ran out of memory while it loaded: {}",
                death.message
            ),
            None,
        ),
        Told::Gone => {
            let by_force = exit.as_ref().is_some_and(Exit::is_by_force);
            let kind = if by_force {
                "unavailable"
            } else {
                "worker_lost"
            };
            let message = format!("{} before it was ready", death.message);
            (kind.to_owned(), message, None)
        }
        Told::Garbage(what) => (
            "worker_lost".to_owned(),
            format!("the worker broke the protocol: {what}"),
            None,
        ),
        Told::TooSlow(limit) => ("timeout".to_owned(), not_ready(limit).message, None),
        Told::Ours(message) => ("unavailable".to_owned(), message, None),
    };
    BuildFailure {
        hint: hint(&kind, &message, config),
        kind,
        message,
        traceback: traceback.or(death.traceback),
    }
}

/// What the author can do about it, where that is known.
fn hint(kind: &str, message: &str, config: &RealtimeSection) -> Option<String> {
    if kind == "timeout" {
        return Some(
            "give it more time with `[realtime] startup_timeout = \"10m\"` in `onstage.toml`"
                .to_owned(),
        );
    }
    if kind == "out_of_memory" || message.starts_with("MemoryError") {
        return Some(match config.memory {
            Some(memory) => format!(
                "it may have {} MiB; allow more with `[realtime] memory` in `onstage.toml`",
                memory.0 >> 20
            ),
            None => "this machine has not enough memory for it; load less, or in a smaller type"
                .to_owned(),
        });
    }
    message.contains("No module named").then(|| {
        "name the package in `requirements.txt` or in `[environment] requirements`, and push again"
            .to_owned()
    })
}

fn failed(during: &str, error: WorkerError) -> (String, String, Option<String>) {
    let known = ["setup_failed", "import_failed", "no_predictor"];
    let kind = match known.contains(&error.kind.as_str()) {
        true => error.kind,
        false if during == "setup" => "setup_failed".to_owned(),
        false => "import_failed".to_owned(),
    };
    (kind, error.message, error.traceback)
}

fn launch_failed(error: Error, config: &RealtimeSection) -> BuildFailure {
    let kind = match error.kind {
        Kind::UserCode | Kind::Invalid => "environment_failed",
        Kind::Timeout => "timeout",
        _ => "unavailable",
    };
    let message = error.to_string();
    BuildFailure {
        hint: error.hint.or_else(|| hint(kind, &message, config)),
        kind: kind.to_owned(),
        message,
        traceback: None,
    }
}

fn ours(error: &Error) -> BuildFailure {
    BuildFailure {
        kind: "unavailable".to_owned(),
        message: error.to_string(),
        traceback: None,
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::config::Size;

    #[test]
    fn the_hint_of_a_failed_launch_stays_a_hint() {
        let failure = launch_failed(
            Error::user_code("secret `KEY` is not set here").hint("set it"),
            &RealtimeSection::default(),
        );
        assert_eq!(failure.kind, "environment_failed");
        assert_eq!(
            (failure.traceback, failure.hint.as_deref()),
            (None, Some("set it"))
        );
    }

    #[test]
    fn what_the_author_can_change_is_named() {
        let plain = RealtimeSection::default();
        let small = RealtimeSection {
            memory: Some(Size(64 << 20)),
            ..RealtimeSection::default()
        };
        let said = |kind, message, config| hint(kind, message, config).unwrap_or_default();
        assert!(said("timeout", "too slow", &plain).contains("startup_timeout"));
        assert!(said("setup_failed", "MemoryError", &small).contains("64 MiB"));
        assert!(said("out_of_memory", "killed", &small).contains("[realtime] memory"));
        assert!(said("import_failed", "No module named 'numpy'", &plain).contains("requirements"));
        assert_eq!(hint("setup_failed", "ValueError: x", &plain), None);
    }
}
