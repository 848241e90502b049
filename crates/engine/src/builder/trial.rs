//! The trial of a freshly set-up worker: its schema is compiled and its examples are run.
//! Does not know versions' records.

use super::examples::{self, Example};
use crate::{
    ask::Loaded,
    parts::Parts,
    values,
    worker::{End, Item, LogLine, Sink, Worker},
};
use bytes::Bytes;
use onstage_core::{
    Error,
    model::{BuildFailure, Version},
    outcome::{Failure, Phase, Reason},
    ports::{CheckError, Preparing},
    schema::ModelSchema,
    value::Value,
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

/// Compiles the schema a worker told.
pub(super) fn compile(
    parts: &Parts,
    version: Version,
    schema: Arc<ModelSchema>,
) -> Result<Loaded, BuildFailure> {
    let failed = |error: Error| {
        failure(
            "schema_invalid",
            format!("the schema cannot be used: {error}"),
        )
    };
    Ok(Loaded {
        model: version.model.clone(),
        input: parts.checks.input(&schema).map_err(failed)?,
        output: parts.checks.output(&schema).map_err(failed)?,
        schema,
        version,
    })
}

/// Runs every example, one after the other.
pub(super) async fn run(
    parts: &Parts,
    worker: &Worker,
    loaded: &Loaded,
    preparing: &Arc<dyn Preparing>,
) -> Result<(), BuildFailure> {
    let all = examples::read(&loaded.version.examples)
        .map_err(|error| failure("bundle_invalid", error.to_string()))?;
    if all.is_empty() {
        return Ok(());
    }
    let folder = parts
        .launcher
        .folder(&loaded.version.bundle)
        .await
        .map_err(|error| failure("unavailable", error.to_string()))?;
    for (place, example) in all.iter().enumerate() {
        let text = format!("checking example {} of {}", place + 1, all.len());
        // The contract's word for it on the wire is `loading`; the text says what is checked.
        preparing.phase(Phase::Running, &text);
        let number = place as u64 + 1;
        one(parts, worker, loaded, example, number, &folder, preparing).await?;
    }
    Ok(())
}

async fn one(
    parts: &Parts,
    worker: &Worker,
    loaded: &Loaded,
    example: &Example,
    number: u64,
    folder: &Path,
    preparing: &Arc<dyn Preparing>,
) -> Result<(), BuildFailure> {
    let name = &example.name;
    let plain = example.input.to_string();
    loaded.input.check(plain.as_bytes()).map_err(|errors| {
        failed(format!(
            "the input of example `{name}` does not fit: {}",
            said(&errors)
        ))
    })?;
    let (sink, told) = Trial::new(preparing.clone());
    worker.run(vec![Item {
        id: number,
        input: Value::json(Bytes::from(examples::input(example, folder).to_string())),
        seed: 0,
        limit: loaded.version.config.realtime.timeout.0,
        until: None,
        sink: Arc::new(sink),
    }]);
    let output = match told.await {
        Ok(Ok(output)) => output,
        // A job may take as long as it takes; that it started well is all that can be asked here.
        Ok(Err(why)) if why.reason == Reason::Timeout && loaded.schema.background => return Ok(()),
        Ok(Err(why)) => {
            return Err(BuildFailure {
                traceback: why.traceback,
                ..failed(format!("example `{name}` failed: {}", why.message))
            });
        }
        Err(_) => {
            return Err(failure(
                "worker_lost",
                format!("the worker died while it computed example `{name}`"),
            ));
        }
    };
    loaded.output.check(&output.json).map_err(|errors| {
        failed(format!(
            "the answer to example `{name}` does not fit its declared type: {}",
            said(&errors)
        ))
    })?;
    let got = values::spelled_out(&output).map_err(|error| {
        failed(format!(
            "the answer to example `{name}` is not JSON: {error}"
        ))
    })?;
    match examples::difference(example, &got) {
        Some(difference) => Err(failed(difference)),
        None => {
            preparing.line(&format!("example `{name}`: as expected"));
            let _ = parts;
            Ok(())
        }
    }
}

/// Collects the answer to one example.
struct Trial {
    tell: Mutex<Option<oneshot::Sender<Result<Value, Failure>>>>,
    chunks: Mutex<Vec<Value>>,
    preparing: Arc<dyn Preparing>,
}

impl Trial {
    fn new(preparing: Arc<dyn Preparing>) -> (Self, oneshot::Receiver<Result<Value, Failure>>) {
        let (tell, told) = oneshot::channel();
        let trial = Self {
            tell: Mutex::new(Some(tell)),
            chunks: Mutex::default(),
            preparing,
        };
        (trial, told)
    }
}

impl Sink for Trial {
    fn log(&self, line: &LogLine<'_>) {
        self.preparing.line(line.text);
    }

    fn chunk(&self, _index: u64, output: Value) {
        self.chunks
            .lock()
            .unwrap_or_else(|it| it.into_inner())
            .push(output);
    }

    fn end(&self, end: End) {
        let outcome = match end {
            End::Output {
                chunks: Some(_), ..
            } => Ok(values::join(
                &self.chunks.lock().unwrap_or_else(|it| it.into_inner()),
            )),
            End::Output { output, .. } => Ok(output),
            End::Failed { failure, .. } | End::Returned { why: failure, .. } => Err(failure),
        };
        let tell = self.tell.lock().unwrap_or_else(|it| it.into_inner()).take();
        if let Some(tell) = tell {
            let _ = tell.send(outcome);
        }
    }
}

fn said(errors: &[CheckError]) -> String {
    errors
        .iter()
        .map(|error| {
            format!(
                "`{}`: expected {}, got {}",
                error.pointer, error.expected, error.got
            )
        })
        .collect::<Vec<_>>()
        .join("; ")
}

fn failed(message: String) -> BuildFailure {
    failure("example_failed", message)
}

pub(super) fn failure(kind: &str, message: String) -> BuildFailure {
    BuildFailure {
        kind: kind.to_owned(),
        message,
        traceback: None,
        hint: None,
    }
}
