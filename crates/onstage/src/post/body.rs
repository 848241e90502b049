//! What a message says: the job as the API shows it, as far as that needs no second look.
//! Pure.

use crate::gateway::wire::maybe_time;
use onstage_core::{
    Timestamp,
    job::{Job, JobKind, JobOutput, JobSpec, JobState},
    value::Stored,
    webhook::{Message, WebhookEvent},
};
use serde_json::{Value, json, value::RawValue};

/// A message about the start says `processing`, whatever has become of the job since.
pub(super) fn of(message: &Message, job: &Job) -> Value {
    let started = message.event == WebhookEvent::Start;
    let area = match job.spec.kind() {
        JobKind::Batch => "batches",
        JobKind::Training => "trainings",
        JobKind::Prediction => "predictions",
    };
    let status = match started {
        true => json!("processing"),
        false => json!(job.state.status()),
    };
    let mut body = json!({
        "id": job.id,
        "model": job.model,
        "version": job.version,
        "status": status,
        "created_at": time(Some(job.created_at)),
        "started_at": time(job.started_at),
        "completed_at": null,
        "output": null,
        "error": null,
        "metrics": {},
        "urls": {"get": format!("/v1/{area}/{}", job.id)},
    });
    if !started {
        body["completed_at"] = time(job.state.completed_at());
        ended(&mut body, job);
    }
    body
}

fn ended(body: &mut Value, job: &Job) {
    match &job.state {
        JobState::Succeeded { output, .. } => match output {
            JobOutput::Prediction { output, predict_ms } => {
                body["metrics"]["predict_time"] = json!(*predict_ms as f64 / 1_000.0);
                // What is too large for a record is fetched from `urls.get`.
                if let Stored::Inline(text) = output
                    && let Ok(output) = serde_json::from_str::<&RawValue>(text)
                {
                    body["output"] = serde_json::from_str(output.get()).unwrap_or_default();
                }
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
        JobState::Failed { failure, .. } => body["error"] = json!(failure.message),
        _ => {}
    }
}

fn time(at: Option<Timestamp>) -> Value {
    maybe_time(at).map_or(Value::Null, Value::from)
}
