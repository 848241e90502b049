//! Host to worker: the messages of the worker protocol that we send.
//! Inputs are written as the raw JSON they came in; nothing here parses them.

use super::frame::Frame;
use crate::value::Value;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

/// What allocators and vector instructions are content with.
const ALIGNED_BYTES: usize = 16;

/// An item of a microbatch on its way to a worker.
#[derive(Debug, Clone)]
pub struct Item {
    /// Unique per connection.
    pub id: u64,
    pub input: Value,
    pub seed: u64,
    /// From now.
    pub deadline_ms: Option<u64>,
}

/// What a worker is set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    #[default]
    Predict,
    Train,
}

impl Work {
    fn is_predict(&self) -> bool {
        *self == Self::Predict
    }
}

/// What the host says.
#[derive(Debug, Clone)]
pub enum ToWorker<'a> {
    Describe,
    Setup {
        weights: Option<&'a str>,
        tempdir: &'a str,
        seed: u64,
        work: Work,
    },
    Predict {
        items: &'a [Item],
    },
    /// One training, of a worker that was set up for it.
    Train {
        item: &'a Item,
        /// The last checkpoint of a run before.
        resume: Option<&'a str>,
    },
    /// The checkpoint is kept, or why not.
    Checkpoint {
        request: u64,
        error: Option<&'a str>,
    },
    /// Where a dataset was placed, as JSON text, or why it was not.
    Dataset {
        request: u64,
        answer: Result<&'a str, &'a str>,
    },
    Cancel {
        id: u64,
    },
    /// Items that have not begun are wanted back.
    Recall {
        ids: &'a [u64],
    },
    Ping {
        n: u64,
    },
    State {
        request: u64,
        answer: Result<&'a str, &'a str>,
    },
    Exit,
}

#[derive(Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Plain<'a> {
    Describe,
    Setup {
        weights: Option<&'a str>,
        tempdir: &'a str,
        seed: u64,
        #[serde(skip_serializing_if = "Work::is_predict")]
        work: Work,
    },
    Checkpoint {
        request: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    Dataset {
        request: u64,
        error: &'a str,
    },
    Cancel {
        id: u64,
    },
    Recall {
        ids: &'a [u64],
    },
    Ping {
        n: u64,
    },
    State {
        request: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    Exit,
}

impl ToWorker<'_> {
    pub fn frame(&self) -> Frame {
        match self {
            Self::Describe => plain(&Plain::Describe),
            Self::Setup {
                weights,
                tempdir,
                seed,
                work,
            } => plain(&Plain::Setup {
                weights: *weights,
                tempdir,
                seed: *seed,
                work: *work,
            }),
            Self::Predict { items } => predict(items),
            Self::Train { item, resume } => train(item, *resume),
            Self::Checkpoint { request, error } => plain(&Plain::Checkpoint {
                request: *request,
                error: *error,
            }),
            Self::Dataset {
                request,
                answer: Err(error),
            } => plain(&Plain::Dataset {
                request: *request,
                error,
            }),
            Self::Dataset {
                request,
                answer: Ok(placed),
            } => Frame::new(format!(
                r#"{{"t":"dataset","request":{request},"dataset":{placed}}}"#
            )),
            Self::Cancel { id } => plain(&Plain::Cancel { id: *id }),
            Self::Recall { ids } => plain(&Plain::Recall { ids }),
            Self::Ping { n } => plain(&Plain::Ping { n: *n }),
            Self::State {
                request,
                answer: Err(error),
            } => plain(&Plain::State {
                request: *request,
                error: Some(error),
            }),
            Self::State {
                request,
                answer: Ok(value),
            } => Frame::new(format!(
                r#"{{"t":"state","request":{request},"value":{value}}}"#
            )),
            Self::Exit => plain(&Plain::Exit),
        }
    }
}

fn plain(message: &Plain<'_>) -> Frame {
    Frame::new(serde_json::to_vec(message).expect("plain messages are always JSON"))
}

/// The input is written as it is; its files are paths, so there are no attachments.
fn train(item: &Item, resume: Option<&str>) -> Frame {
    let mut header = BytesMut::with_capacity(item.input.json.len() + 160);
    let resume = serde_json::Value::from(resume);
    let deadline = serde_json::Value::from(item.deadline_ms);
    put(
        &mut header,
        format_args!(
            r#"{{"t":"train","id":{},"seed":{},"deadline_ms":{deadline},"resume":{resume},"input":"#,
            item.id, item.seed
        ),
    );
    header.put_slice(&item.input.json);
    header.put_u8(b'}');
    Frame::new(header.freeze())
}

/// Writes the header by hand, so that inputs are copied once and never parsed.
fn predict(items: &[Item]) -> Frame {
    let bytes: usize = items.iter().map(|item| item.input.json.len() + 80).sum();
    let mut header = BytesMut::with_capacity(bytes + 64);
    let mut attachments: Vec<Bytes> = Vec::new();
    header.put_slice(b"{\"t\":\"predict\",\"items\":[");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            header.put_u8(b',');
        }
        put(
            &mut header,
            format_args!("{{\"id\":{},\"seed\":{},", item.id, item.seed),
        );
        if let Some(deadline_ms) = item.deadline_ms {
            put(&mut header, format_args!("\"deadline_ms\":{deadline_ms},"));
        }
        if !item.input.attachments.is_empty() {
            put(
                &mut header,
                format_args!(
                    "\"span\":[{},{}],",
                    attachments.len(),
                    item.input.attachments.len()
                ),
            );
            attachments.extend(item.input.attachments.iter().cloned());
        }
        header.put_slice(b"\"input\":");
        header.put_slice(&item.input.json);
        header.put_u8(b'}');
    }
    header.put_u8(b']');
    if !attachments.is_empty() {
        let sizes: Vec<usize> = attachments.iter().map(Bytes::len).collect();
        put(&mut header, format_args!(",\"attachments\":{sizes:?}"));
    }
    header.put_u8(b'}');
    if !attachments.is_empty() {
        align(&mut header);
    }
    Frame {
        header: header.freeze(),
        attachments,
    }
}

/// Spaces, so that the first attachment starts at a multiple of `ALIGNED_BYTES` in what follows a frame's length field:
/// a worker that reads that into one buffer can compute on numbers where they lie.
fn align(header: &mut BytesMut) {
    let over = (4 + header.len()) % ALIGNED_BYTES;
    if over > 0 {
        header.put_bytes(b' ', ALIGNED_BYTES - over);
    }
}

fn put(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    use std::fmt::Write as _;
    out.write_fmt(text).expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attachment_is_aligned() {
        for digits in 0..20 {
            let item = Item {
                id: 10_u64.pow(digits % 19),
                input: Value {
                    json: Bytes::from_static(br#"{"$attachment":0}"#),
                    attachments: vec![Bytes::from_static(b"x")],
                },
                seed: 0,
                deadline_ms: None,
            };
            let frame = ToWorker::Predict { items: &[item] }.frame();
            assert_eq!((4 + frame.header.len()) % ALIGNED_BYTES, 0);
            let parsed: serde_json::Value = serde_json::from_slice(&frame.header).unwrap();
            assert_eq!(parsed["attachments"][0], 1);
        }
    }
}
