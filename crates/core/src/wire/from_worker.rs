//! Worker to host: the messages of the worker protocol that we receive.
//! Outputs stay raw JSON; whatever does not parse is the worker's fault and ends its connection.

use super::frame::Frame;
use crate::{
    outcome::{Failure, Reason},
    schema::ModelSchema,
    value::Value,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What a worker says.
#[derive(Debug)]
pub enum FromWorker {
    Hello {
        protocol: u32,
        pid: u32,
        runner: String,
    },
    Schema(Box<ModelSchema>),
    Ready,
    Failed {
        during: String,
        error: WorkerError,
    },
    Result(Vec<Answer>),
    Chunk {
        id: u64,
        index: u64,
        output: Value,
    },
    Progress {
        id: u64,
        done: f64,
        total: Option<f64>,
        text: String,
    },
    Log {
        id: Option<u64>,
        level: String,
        text: String,
    },
    Metric {
        id: u64,
        values: BTreeMap<String, f64>,
        step: Option<f64>,
    },
    State(StateRequest),
    /// The author's code waits for the answer.
    Ask {
        request: u64,
        id: u64,
        question: Question,
    },
    Pong {
        n: u64,
    },
    /// A message of a newer protocol, to be ignored.
    Unknown,
}

/// The outcome of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub id: u64,
    pub outcome: Result<Value, WorkerError>,
    /// Pieces sent before, when the output was streamed.
    pub chunks: Option<u64>,
    pub metrics: BTreeMap<String, f64>,
}

/// An operation on durable app state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StateRequest {
    pub request: u64,
    /// A space shared by the owner's models; `None` is the model's own.
    #[serde(default)]
    pub space: Option<String>,
    /// `add`, `get`, `put` or `items`.
    pub op: String,
    pub key: String,
    /// JSON text.
    #[serde(default, deserialize_with = "raw_text")]
    pub value: Option<String>,
}

/// What a training asks of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Keep what lies at this path as it is now.
    Checkpoint { path: String },
    /// Place the dataset of this name: `labels` or `labels@v3`.
    Dataset { name: String },
}

/// An error as a worker words it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerError {
    pub kind: String,
    pub message: String,
    #[serde(default)]
    pub field: Option<String>,
    #[serde(default)]
    pub traceback: Option<String>,
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        let reason = match error.kind.as_str() {
            "user_error" | "bad_input" => Reason::UserError,
            "bad_output" => Reason::BadOutput,
            "canceled" => Reason::Canceled,
            "setup_failed" | "import_failed" | "no_predictor" => Reason::SetupFailed,
            _ if ran_out_of_memory(&error.message) => Reason::OutOfMemory,
            _ => Reason::Exception,
        };
        Self {
            reason,
            message: error.message,
            field: error.field,
            traceback: error.traceback,
        }
    }
}

/// `MemoryError`, and what numpy, torch and others call theirs: `numpy.…._ArrayMemoryError: …`, `OutOfMemoryError: …`.
fn ran_out_of_memory(message: &str) -> bool {
    let class = message.split(':').next().unwrap_or_default();
    class.ends_with("MemoryError") && !class.contains(' ')
}

/// A frame whose header is no message of this protocol; the worker is killed and replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the worker sent something that is not a message: {0}")]
pub struct MessageError(pub String);

impl FromWorker {
    pub fn parse(frame: &Frame) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Tag<'a> {
            #[serde(borrow)]
            t: std::borrow::Cow<'a, str>,
        }
        let Tag { t } = read(frame)?;
        match &*t {
            "result" => results(frame),
            "chunk" => chunk(frame),
            "state" => read(frame).map(Self::State),
            "hello" | "schema" | "ready" | "failed" | "progress" | "log" | "metric" | "pong"
            | "checkpoint" | "dataset" => read::<Plain>(frame).map(Plain::into_message),
            _ => Ok(Self::Unknown),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(frame: &'a Frame) -> Result<T, MessageError> {
    serde_json::from_slice(&frame.header).map_err(|error| MessageError(error.to_string()))
}

/// The messages without raw values: serde cannot read raw values through a tagged enum.
#[derive(Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Plain {
    Hello {
        protocol: u32,
        #[serde(default)]
        pid: u32,
        #[serde(default, deserialize_with = "null_is_default")]
        runner: String,
    },
    Schema {
        schema: Box<ModelSchema>,
    },
    Ready,
    Failed {
        during: String,
        error: WorkerError,
    },
    Progress {
        id: u64,
        done: f64,
        #[serde(default)]
        total: Option<f64>,
        #[serde(default, deserialize_with = "null_is_default")]
        text: String,
    },
    Log {
        #[serde(default)]
        id: Option<u64>,
        #[serde(default, deserialize_with = "null_is_default")]
        level: String,
        text: String,
    },
    Metric {
        id: u64,
        values: BTreeMap<String, f64>,
        #[serde(default)]
        step: Option<f64>,
    },
    Checkpoint {
        request: u64,
        id: u64,
        path: String,
    },
    Dataset {
        request: u64,
        id: u64,
        name: String,
    },
    Pong {
        n: u64,
    },
}

impl Plain {
    fn into_message(self) -> FromWorker {
        match self {
            Self::Hello {
                protocol,
                pid,
                runner,
            } => FromWorker::Hello {
                protocol,
                pid,
                runner,
            },
            Self::Schema { schema } => FromWorker::Schema(schema),
            Self::Ready => FromWorker::Ready,
            Self::Failed { during, error } => FromWorker::Failed { during, error },
            Self::Progress {
                id,
                done,
                total,
                text,
            } => FromWorker::Progress {
                id,
                done,
                total,
                text,
            },
            Self::Log { id, level, text } => FromWorker::Log { id, level, text },
            Self::Metric { id, values, step } => FromWorker::Metric { id, values, step },
            Self::Checkpoint { request, id, path } => FromWorker::Ask {
                request,
                id,
                question: Question::Checkpoint { path },
            },
            Self::Dataset { request, id, name } => FromWorker::Ask {
                request,
                id,
                question: Question::Dataset { name },
            },
            Self::Pong { n } => FromWorker::Pong { n },
        }
    }
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    items: Vec<ResultItem<'a>>,
}

#[derive(Deserialize)]
struct ResultItem<'a> {
    id: u64,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<WorkerError>,
    #[serde(default)]
    span: Option<(usize, usize)>,
    #[serde(default)]
    chunks: Option<u64>,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
}

fn results(frame: &Frame) -> Result<FromWorker, MessageError> {
    let Results { items } = read(frame)?;
    items
        .into_iter()
        .map(|item| answer(frame, item))
        .collect::<Result<_, _>>()
        .map(FromWorker::Result)
}

fn answer(frame: &Frame, item: ResultItem<'_>) -> Result<Answer, MessageError> {
    let outcome = match item.error {
        Some(error) => Err(error),
        None => Ok(Value {
            json: json_of(frame, item.output),
            attachments: attached(frame, item.span)?,
        }),
    };
    Ok(Answer {
        id: item.id,
        outcome,
        chunks: item.chunks,
        metrics: item.metrics,
    })
}

/// The raw text as a slice of the header: shares its memory, copies nothing. A missing output is null.
fn json_of(frame: &Frame, raw: Option<&RawValue>) -> Bytes {
    raw.map_or(Bytes::from_static(b"null"), |raw| {
        frame.header.slice_ref(raw.get().as_bytes())
    })
}

fn attached(frame: &Frame, span: Option<(usize, usize)>) -> Result<Vec<Bytes>, MessageError> {
    let Some((first, count)) = span else {
        return Ok(frame.attachments.clone());
    };
    let end = first.checked_add(count);
    end.and_then(|end| frame.attachments.get(first..end))
        .map(<[Bytes]>::to_vec)
        .ok_or_else(|| {
            MessageError(format!(
                "span [{first}, {count}] is outside of the frame's {} attachments",
                frame.attachments.len()
            ))
        })
}

fn chunk(frame: &Frame) -> Result<FromWorker, MessageError> {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        id: u64,
        #[serde(default)]
        index: u64,
        #[serde(borrow)]
        output: &'a RawValue,
    }
    let chunk: Chunk<'_> = read(frame)?;
    let output = Value {
        json: json_of(frame, Some(chunk.output)),
        attachments: frame.attachments.clone(),
    };
    Ok(FromWorker::Chunk {
        id: chunk.id,
        index: chunk.index,
        output,
    })
}

/// A field that may be absent may be null as well.
fn null_is_default<'de, T: Deserialize<'de> + Default, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn raw_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(raw.map(|raw| raw.get().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(
        header: &'static str,
        attachments: &[&'static [u8]],
    ) -> Result<FromWorker, MessageError> {
        FromWorker::parse(&Frame {
            header: header.into(),
            attachments: attachments
                .iter()
                .map(|bytes| Bytes::from_static(bytes))
                .collect(),
        })
    }

    #[test]
    fn an_exception_for_want_of_memory_is_told_as_such() {
        for (message, reason) in [
            ("MemoryError", Reason::OutOfMemory),
            ("OutOfMemoryError: CUDA out of memory", Reason::OutOfMemory),
            (
                "_ArrayMemoryError: Unable to allocate 4 GiB",
                Reason::OutOfMemory,
            ),
            ("ValueError: not a MemoryError", Reason::Exception),
            ("no class but a MemoryError", Reason::Exception),
        ] {
            let error = WorkerError {
                kind: "exception".to_owned(),
                message: message.to_owned(),
                field: None,
                traceback: None,
            };
            assert_eq!(Failure::from(error).reason, reason, "{message}");
        }
    }

    #[test]
    fn answers_keep_their_raw_json_and_their_own_attachments() {
        let header = r#"{"t":"result","items":[{"id":1,"output":{"a": 1.50}},{"id":2,"output":{"$attachment":0},"span":[1,1]},{"id":3,"error":{"kind":"user_error","message":"too dark"}}],"attachments":[1,1]}"#;
        let FromWorker::Result(answers) = parse(header, &[b"x", b"y"]).unwrap() else {
            panic!()
        };
        assert_eq!(answers[0].outcome.as_ref().unwrap().json, r#"{"a": 1.50}"#);
        assert_eq!(
            answers[1].outcome.as_ref().unwrap().attachments,
            vec![Bytes::from_static(b"y")]
        );
        assert_eq!(answers[2].outcome.as_ref().unwrap_err().kind, "user_error");
    }

    #[test]
    fn what_is_no_message_is_an_error_and_what_is_new_is_not() {
        for header in [
            "[]",
            "{}",
            r#"{"t":3}"#,
            r#"{"t":"result"}"#,
            r#"{"t":"result","items":[{"id":1,"output":1,"span":[0,9]}]}"#,
            r#"{"t":"pong","n":-1}"#,
            "nonsense",
        ] {
            assert!(parse(header, &[]).is_err(), "{header}");
        }
        assert!(matches!(
            parse(r#"{"t":"telepathy","n":1}"#, &[]),
            Ok(FromWorker::Unknown)
        ));
    }

    #[test]
    fn state_values_are_kept_as_text() {
        let FromWorker::State(state) = parse(
            r#"{"t":"state","request":4,"op":"put","key":"k","value":{"b": [1]}}"#,
            &[],
        )
        .unwrap() else {
            panic!()
        };
        assert_eq!(state.value.as_deref(), Some(r#"{"b": [1]}"#));
    }
}
