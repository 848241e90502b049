//! The texts of stored events: what a job's log says at each step.
//! Does not store them and does not know how they are carried.

use onstage_core::{
    Timestamp,
    event::{EventKind, NewEvent},
    job::{Job, JobState},
    outcome::{Phase, Progress},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An event of any kind.
pub(crate) fn event(kind: EventKind, at: Timestamp, data: &Value) -> NewEvent {
    NewEvent {
        kind,
        at,
        data: data.to_string(),
    }
}

pub(crate) fn start(run: u32, at: Timestamp) -> NewEvent {
    event(EventKind::Start, at, &json!({ "run": run }))
}

pub(crate) fn phase(phase: Phase, text: &str, at: Timestamp) -> NewEvent {
    event(EventKind::Phase, at, &json!({"phase": phase, "text": text}))
}

pub(crate) fn metric(values: &BTreeMap<String, f64>, step: Option<f64>, at: Timestamp) -> NewEvent {
    event(
        EventKind::Metric,
        at,
        &json!({"values": values, "step": step}),
    )
}

pub(crate) fn progress(progress: &Progress, at: Timestamp) -> NewEvent {
    let mut data = json!({"done": progress.done, "total": progress.total, "text": progress.text});
    if let Some(used) = &progress.used {
        data["used"] = json!(used);
    }
    event(EventKind::Progress, at, &data)
}

/// One or many lines, each ended by a line feed.
pub(crate) fn log(source: &str, level: &str, lines: &str, at: Timestamp) -> NewEvent {
    let data = json!({"source": source, "level": level, "data": lines});
    event(EventKind::Log, at, &data)
}

/// A line of our own.
pub(crate) fn said(line: &str, at: Timestamp) -> NewEvent {
    log("onstage", "info", &format!("{line}\n"), at)
}

/// A piece of a streamed output; `chunk` is its JSON text at rest.
pub(crate) fn output(index: u64, chunk: &str, at: Timestamp) -> NewEvent {
    NewEvent {
        kind: EventKind::Output,
        at,
        data: format!(r#"{{"index":{index},"chunk":{chunk}}}"#),
    }
}

/// What is said when a run has ended: `completed` when the job has, else that it waits for its next run and why.
pub(crate) fn after_run(job: &Job, at: Timestamp) -> NewEvent {
    match &job.state {
        JobState::Queued { .. } => {
            let why = job
                .history
                .last()
                .map_or("", |attempt| attempt.failure.message.as_str());
            let text = format!("run {} ended: {why}; it runs again", job.run);
            phase(Phase::Queued, &text, at)
        }
        state => {
            let data = json!({"status": state.status(), "reason": state.reason(), "run": job.run});
            event(EventKind::Completed, at, &data)
        }
    }
}
