//! The stream as stock clients read it: other names, raw text, and an end that says so.
//! Does not know our own events' names on the wire.

use super::{
    respond,
    source::{Source, Step, Subject},
};
use crate::gateway::{call::Call, wire::event::sse};
use axum::response::Response;
use futures::stream;
use onstage_core::event::{Event, EventKind};
use serde_json::Value;
use std::time::Duration;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a client that comes back has.
pub(crate) struct Had {
    /// The last event's number.
    pub(crate) after: u64,
    /// Some of the output may be among the events.
    pub(crate) output: bool,
}

pub(crate) fn stream(call: Call, subject: Subject, had: &Had) -> Response {
    let reader = Reader {
        source: Source::new(call, subject, had.after),
        told_output: had.output,
        ended: false,
    };
    respond(stream::unfold(reader, |mut reader| async move {
        if reader.ended {
            return None;
        }
        let text = reader.next().await;
        Some((text, reader))
    }))
}

struct Reader {
    source: Source,
    /// Some of the output was told piece by piece, so the end does not repeat it.
    told_output: bool,
    ended: bool,
}

impl Reader {
    async fn next(&mut self) -> String {
        match self.source.step(KEEP_ALIVE).await {
            Ok(Step::Events(events)) => events.iter().map(|event| self.told(event)).collect(),
            Ok(Step::Quiet) => ": still here\n\n".to_owned(),
            Ok(Step::Closing) => {
                self.ended = true;
                ": the server is stopping, reconnect\n\n".to_owned()
            }
            Ok(Step::End { seq, record }) => {
                self.ended = true;
                self.end(seq, &record)
            }
            Err(problem) => {
                self.ended = true;
                self.source.log(&problem);
                sse(0, "error", &problem.detail)
            }
        }
    }

    fn told(&mut self, event: &Event) -> String {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match event.kind {
            EventKind::Output => {
                self.told_output = true;
                sse(event.seq, "output", &raw_text(&data["chunk"]))
            }
            EventKind::Log => sse(event.seq, "logs", data["data"].as_str().unwrap_or_default()),
            // Names that stock clients do not know make them fail.
            _ => String::new(),
        }
    }

    fn end(&self, seq: u64, record: &str) -> String {
        let record: Value = serde_json::from_str(record).unwrap_or_default();
        let mut text = String::new();
        match record["status"].as_str() {
            Some("succeeded") if !self.told_output && !record["output"].is_null() => {
                text.push_str(&sse(seq, "output", &raw_text(&record["output"])));
            }
            Some("failed") => {
                let error = record["error"].as_str().unwrap_or("failed");
                text.push_str(&sse(seq, "error", error));
            }
            _ => {}
        }
        let reason = match record["status"].as_str() {
            Some("canceled") => r#"{"reason":"canceled"}"#,
            Some("failed") => r#"{"reason":"error"}"#,
            _ => "{}",
        };
        text.push_str(&sse(seq + 1, "done", reason));
        text
    }
}

/// Text as it is, everything else as JSON.
fn raw_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
