//! The envelope of a prediction, from wherever it is known: in flight, as a job, as a record.
//! Does not fetch; see `predictions::find`.

use super::{
    maybe_time, seconds, time,
    value::{Links, Part, raw},
};
use crate::gateway::{call::Call, wire::feedback::Feedback};
use bytes::Bytes;
use onstage_core::{
    Id, ModelName, Timestamp,
    model::VersionId,
    outcome::{Failure, Phase, Progress, Reason, Status},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Room for an envelope beside its values, so that it does not grow while it is written.
const ENVELOPE_BYTES: usize = 1280;

/// Everything that is known about a prediction.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) id: Id,
    pub(crate) model: ModelName,
    pub(crate) version: VersionId,
    pub(crate) version_number: u32,
    pub(crate) background: bool,
    pub(crate) input: Bytes,
    pub(crate) output: Option<Bytes>,
    pub(crate) status: Status,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<Reason>,
    pub(crate) failure: Option<Failure>,
    pub(crate) logs: String,
    pub(crate) predict_ms: Option<f64>,
    pub(crate) queue_ms: Option<f64>,
    pub(crate) progress: Option<Progress>,
    pub(crate) queue: Option<Queue>,
    /// Input or output are not kept any longer.
    pub(crate) data_removed: bool,
    pub(crate) source: String,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) completed_at: Option<Timestamp>,
}

/// A prediction as the wire has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Prediction)]
pub(crate) struct Prediction<'a> {
    id: &'a str,
    /// `owner/name`.
    model: String,
    /// 64 hex digits.
    version: &'a str,
    version_number: u32,
    /// `realtime` or `background`.
    kind: &'static str,
    #[schema(value_type = Object)]
    input: &'a RawValue,
    #[schema(value_type = Option<Value>)]
    output: &'a RawValue,
    error: Option<String>,
    logs: &'a str,
    #[schema(value_type = String)]
    status: Status,
    #[schema(value_type = String)]
    phase: Phase,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    metrics: Metrics,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    #[schema(value_type = Option<Object>)]
    progress: Option<&'a Progress>,
    queue: Option<&'a Queue>,
    /// Whether input or output were taken out because the model does not keep them any longer.
    data_removed: bool,
    source: &'a str,
    feedback: Option<Feedback>,
    /// A command that does it again; for the owner of one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun: Option<String>,
    /// For the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Option<&'a str>,
    #[schema(value_type = BTreeMap<String, String>)]
    urls: Urls,
}

/// In seconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Metrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    predict_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_time: Option<f64>,
}

/// Why it has not started.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Queue {
    /// From 1.
    pub(crate) position: Option<u64>,
    pub(crate) ahead: Option<u64>,
    pub(crate) eta_s: Option<f64>,
    pub(crate) text: String,
}

impl Known {
    /// The envelope as this caller may see it.
    pub(crate) fn envelope<'a>(
        &'a self,
        call: &Call,
        feedback: Option<Feedback>,
    ) -> Prediction<'a> {
        let owner = call.is_owner();
        let milliseconds = |ms: Option<f64>| ms.map(seconds);
        Prediction {
            id: self.id.as_str(),
            model: self.model.to_string(),
            version: &self.version.0,
            version_number: self.version_number,
            kind: if self.background {
                "background"
            } else {
                "realtime"
            },
            input: raw(&self.input),
            output: self.output.as_deref().map_or(RawValue::NULL, raw),
            error: self
                .failure
                .as_ref()
                .map(|failure| message(failure, &self.id, owner)),
            logs: &self.logs,
            status: self.status,
            phase: self.phase,
            reason: self.reason,
            metrics: Metrics {
                predict_time: milliseconds(self.predict_ms),
                queue_time: milliseconds(self.queue_ms),
                total_time: self
                    .completed_at
                    .map(|at| at.since(self.created_at).as_secs_f64()),
            },
            created_at: time(self.created_at),
            started_at: maybe_time(self.started_at),
            completed_at: maybe_time(self.completed_at),
            progress: self.progress.as_ref(),
            queue: self.queue.as_ref(),
            data_removed: self.data_removed,
            source: &self.source,
            feedback,
            rerun: (owner && self.failure.is_some()).then(|| self.rerun()),
            traceback: self
                .failure
                .as_ref()
                .filter(|_| owner)
                .and_then(|failure| failure.traceback.as_deref()),
            urls: urls(call, &self.id),
        }
    }

    pub(crate) fn text(&self, call: &Call, feedback: Option<Feedback>) -> Vec<u8> {
        let values = self.input.len() + self.output.as_ref().map_or(0, Bytes::len);
        let mut text = Vec::with_capacity(ENVELOPE_BYTES + values + self.logs.len());
        match serde_json::to_writer(&mut text, &self.envelope(call, feedback)) {
            Ok(()) => text,
            Err(_) => Vec::new(),
        }
    }

    /// A command line that asks the same again.
    fn rerun(&self) -> String {
        let input: BTreeMap<String, &RawValue> =
            serde_json::from_slice(&self.input).unwrap_or_default();
        let mut command = format!("onstage run {}@v{}", self.model, self.version_number);
        for (name, value) in input {
            command.push(' ');
            command.push_str(&quoted(&format!("{name}:={}", value.get())));
        }
        command
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = word
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-.,:=/@%+".contains(&b));
    if plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What went wrong in words for this reader: what the author meant for people, verbatim; for the rest an apology with a code.
pub(crate) fn message(failure: &Failure, id: &Id, owner: bool) -> String {
    let for_people = matches!(
        failure.reason,
        Reason::UserError
            | Reason::Timeout
            | Reason::Canceled
            | Reason::Expired
            | Reason::NoCapacity
            | Reason::OverBudget
    );
    if owner || for_people {
        return failure.message.clone();
    }
    format!(
        "Sorry, the model could not answer this. Its author can find out why with the code {}.",
        code(id)
    )
}

/// The end of an id: short enough to be read out, long enough to find it.
fn code(id: &Id) -> String {
    let text = id.as_str();
    let from = text.len().saturating_sub(8);
    text.get(from..).unwrap_or(text).to_ascii_uppercase()
}

/// Addresses around a prediction, written straight into the answer.
pub(crate) struct Urls {
    base: String,
    web: String,
}

fn urls(call: &Call, id: &Id) -> Urls {
    Urls {
        base: call.url(&format!("/v1/predictions/{id}")),
        web: call.url(&format!("/runs/{id}")),
    }
}

impl Serialize for Urls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { base, web } = self;
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("get", base)?;
        for name in ["cancel", "events", "logs", "stream"] {
            map.serialize_key(name)?;
            map.serialize_value(&Joined(base, name))?;
        }
        map.serialize_entry("web", web)?;
        map.end()
    }
}

struct Joined<'a>(&'a str, &'a str);

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.0, self.1))
    }
}

/// Where the files of a prediction are linked to.
pub(crate) fn links(call: &Call, id: &Id, part: Part) -> Links {
    Links::new(call.url(&format!("/v1/files/{id}/content")), part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stakeholders_get_an_apology_for_what_was_not_meant_for_them() {
        let id: Id = "01hzy3v7zzzzzzzzzzzz7f3a2c".parse().unwrap();
        let crash = Failure::new(Reason::Exception, "KeyError: 'secret'");
        assert_eq!(message(&crash, &id, true), "KeyError: 'secret'");
        let shown = message(&crash, &id, false);
        assert!(
            !shown.contains("secret") && shown.contains("ZZ7F3A2C"),
            "{shown}"
        );
        let meant = Failure::new(Reason::UserError, "The photo is too dark.");
        assert_eq!(message(&meant, &id, false), "The photo is too dark.");
    }

    #[test]
    fn commands_survive_a_shell() {
        assert_eq!(quoted("n:=3"), "n:=3");
        assert_eq!(quoted("name:=\"it's\""), r#"'name:="it'\''s"'"#);
    }
}
