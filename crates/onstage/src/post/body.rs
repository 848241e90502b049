//! What a message says: the job as the API shows it.
//! Does not send anything.

use crate::gateway::{
    said,
    wire::{
        maybe_time,
        prediction::message,
        value::{Links, Part, show_text},
    },
};
use bytes::Bytes;
use onstage_core::{
    Result, Timestamp,
    job::{Job, JobKind, JobOutput, JobSpec, JobState},
    ports::{Blobs, Store},
    value::Stored,
    webhook::{Message, WebhookEvent},
};
use serde_json::{Value, json};

/// A message about the start says `processing`, whatever has become of the job since.
pub(super) async fn of(
    about: &Message,
    job: &Job,
    store: &dyn Store,
    blobs: &dyn Blobs,
) -> Result<Value> {
    if about.event == WebhookEvent::Start {
        return Ok(begun(job));
    }
    let mut body = begun(job);
    body["status"] = json!(job.state.status());
    body["completed_at"] = time(job.state.completed_at());
    let said = said::of_job(store, &job.id).await?;
    body["logs"] = json!(said.logs);
    match &job.state {
        JobState::Running { .. } => {
            if let Some(pieces) = said.output() {
                body["output"] = shown(job, pieces, blobs).await?;
            }
        }
        // What is too large for a record is fetched from `urls.get`.
        JobState::Succeeded {
            output:
                JobOutput::Prediction {
                    output: Stored::Inline(text),
                    ..
                },
            ..
        } => body["output"] = shown(job, Bytes::from(text.clone()), blobs).await?,
        _ => {}
    }
    ended(&mut body, job);
    Ok(body)
}

fn begun(job: &Job) -> Value {
    let area = match job.spec.kind() {
        JobKind::Batch => "batches",
        JobKind::Training => "trainings",
        JobKind::Prediction => "predictions",
    };
    json!({
        "id": job.id,
        "model": job.model,
        "version": job.version,
        "status": "processing",
        "created_at": time(Some(job.created_at)),
        "started_at": time(job.started_at),
        "completed_at": null,
        "output": null,
        "error": null,
        "logs": "",
        "metrics": {},
        "urls": {"get": format!("/v1/{area}/{}", job.id)},
    })
}

/// An output at rest, its files as links.
async fn shown(job: &Job, at_rest: Bytes, blobs: &dyn Blobs) -> Result<Value> {
    let links = Links::new(format!("/v1/files/{}/content", job.id), Part::Output).only();
    let text = show_text(blobs, at_rest, &links).await?;
    Ok(serde_json::from_slice(&text).unwrap_or_default())
}

fn ended(body: &mut Value, job: &Job) {
    match &job.state {
        JobState::Succeeded { output, .. } => match output {
            JobOutput::Prediction { predict_ms, .. } => {
                body["metrics"]["predict_time"] = json!(*predict_ms as f64 / 1_000.0);
            }
            JobOutput::Batch {
                counts,
                accuracy,
                rows_per_s,
                ..
            } => {
                body["metrics"] = json!({
                    "rows_done": counts.done,
                    "rows_failed": counts.failed,
                    "accuracy": accuracy,
                    "rows_per_second": rows_per_s,
                });
            }
            JobOutput::Training {
                version, metrics, ..
            } => {
                body["metrics"] = json!(metrics);
                if let JobSpec::Training(spec) = &job.spec {
                    body["output"] = json!({"version": format!("{}:{version}", spec.destination)});
                }
            }
        },
        JobState::Failed { failure, .. } => {
            let for_owner = job.webhook.as_ref().is_some_and(|hook| hook.for_owner);
            body["error"] = json!(message(failure, &job.id, for_owner));
        }
        _ => {}
    }
}

fn time(at: Option<Timestamp>) -> Value {
    maybe_time(at).map_or(Value::Null, Value::from)
}
