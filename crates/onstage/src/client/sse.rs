//! Server-sent events out of a response's bytes, as a parser that is fed and a stream that feeds it.
//! Does not know what the events mean.

use futures::StreamExt;
use onstage_core::{Error, Result};
use reqwest::Response;

/// One event's bytes before the empty line that ends it.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Raw {
    pub(crate) id: Option<String>,
    pub(crate) event: String,
    pub(crate) data: String,
}

/// Bytes in, events out.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    now: Raw,
    has_data: bool,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Raw>) -> Result<()> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let text = String::from_utf8_lossy(&line);
                self.take_line(text.trim_end_matches('\r'), out);
            } else {
                self.line.push(byte);
            }
        }
        if self.line.len() + self.now.data.len() > EVENT_BYTES_MAX {
            return Err(Error::unavailable("an event of the server is too long"));
        }
        Ok(())
    }

    fn take_line(&mut self, line: &str, out: &mut Vec<Raw>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.now);
            if std::mem::take(&mut self.has_data) {
                out.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.now.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.now.event),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.now.data.push('\n');
                }
                self.now.data.push_str(value);
            }
            _ => {}
        }
    }
}

/// The events of a response.
pub(crate) struct EventStream {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    parser: Parser,
    ready: std::collections::VecDeque<Raw>,
}

impl EventStream {
    pub(crate) fn new(response: Response) -> Self {
        Self {
            bytes: response.bytes_stream().boxed(),
            parser: Parser::default(),
            ready: std::collections::VecDeque::new(),
        }
    }

    /// The next event; `None` when the server ended the stream or it broke.
    pub(crate) async fn next(&mut self) -> Result<Option<Raw>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(Ok(bytes)) = self.bytes.next().await else {
                return Ok(None);
            };
            let mut out = Vec::new();
            self.parser.feed(&bytes, &mut out)?;
            self.ready.extend(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_however_the_bytes_were_cut() {
        let text = b": keep-alive\nretry: 2000\n\nid: 1\nevent: log\ndata: {\"a\":\ndata: 1}\n\r\nid: 2\nevent: start\ndata: {}\n\nevent: half\ndata: x";
        for cut in 0..text.len() {
            let (mut parser, mut out) = (Parser::default(), Vec::new());
            parser.feed(&text[..cut], &mut out).unwrap();
            parser.feed(&text[cut..], &mut out).unwrap();
            let seen: Vec<_> = out
                .iter()
                .map(|raw| (raw.event.as_str(), raw.data.as_str()))
                .collect();
            assert_eq!(
                seen,
                [("log", "{\"a\":\n1}"), ("start", "{}")],
                "cut at {cut}"
            );
        }
    }
}
