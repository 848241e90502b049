//! One row's outcome as a line of a chunk: `{"index", "input", "output"}` or `{"index", "input", "error"}`.
//! Does not know where chunks lie.

use bytes::{BufMut, BytesMut};
use onstage_core::{Error, Result, outcome::Failure};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Appends a line. `input` and `output` are JSON texts at rest.
pub(crate) fn write(out: &mut BytesMut, index: u64, input: &str, outcome: Result<&str, &Failure>) {
    out.put_slice(format!("{{\"index\":{index},\"input\":").as_bytes());
    put_json(out, input);
    match outcome {
        Ok(output) => {
            out.put_slice(b",\"output\":");
            put_json(out, output);
        }
        Err(failure) => {
            out.put_slice(b",\"error\":");
            let text = serde_json::to_vec(failure).expect("a failure is always JSON");
            out.put_slice(&text);
        }
    }
    out.put_slice(b"}\n");
}

/// JSON may be spread over lines by whoever wrote it; inside strings a line feed is always escaped.
fn put_json(out: &mut BytesMut, json: &str) {
    if json.contains(['\n', '\r']) {
        out.put_slice(json.replace(['\n', '\r'], " ").as_bytes());
    } else {
        out.put_slice(json.as_bytes());
    }
}

/// A line read back.
#[derive(Debug, Deserialize)]
pub struct Line<'a> {
    /// The row's place in the table, from 0.
    pub index: u64,
    #[serde(borrow, default)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub output: Option<&'a RawValue>,
    #[serde(default)]
    pub error: Option<Failure>,
}

impl<'a> Line<'a> {
    pub fn parse(text: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(text)
            .map_err(|error| Error::internal("a line of a chunk is damaged").because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::outcome::Reason;

    #[test]
    fn what_is_written_reads_back_on_one_line() {
        let mut out = BytesMut::new();
        write(&mut out, 7, "{\"a\":\n 1}", Ok("[1,\r\n2]"));
        let failure = Failure::new(Reason::UserError, "too\ndark");
        write(&mut out, 8, "{}", Err(&failure));
        let lines: Vec<&[u8]> = out[..].split(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 3);
        let first = Line::parse(lines[0]).unwrap();
        assert_eq!((first.index, first.error), (7, None));
        let output: serde_json::Value = serde_json::from_str(first.output.unwrap().get()).unwrap();
        assert_eq!(output, serde_json::json!([1, 2]));
        assert_eq!(Line::parse(lines[1]).unwrap().error, Some(failure));
        assert!(Line::parse(b"{\"input\":1}").is_err());
    }

    #[test]
    fn an_output_of_null_is_an_answer() {
        let mut out = BytesMut::new();
        write(&mut out, 0, "{}", Ok("null"));
        let line = Line::parse(&out).unwrap();
        assert!(line.error.is_none());
    }
}
