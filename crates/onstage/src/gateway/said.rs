//! What a job has said so far: the lines it printed and the pieces of its output, gathered from its events.
//! Does not show files as links.

use bytes::Bytes;
use onstage_core::{
    Id, Result,
    event::{Event, EventKind},
    limits::LOG_KEPT_BYTES_MAX,
    ports::Store,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Events read in one go.
const EVENTS_PER_READ: u32 = 1000;
/// A longer output is not put together before it is whole.
const PIECES_BYTES_MAX: usize = 256 * 1024;

const JSON_TYPE: &str = r#""media_type":"application/json""#;

#[derive(Default)]
pub(crate) struct Said {
    /// Of very long logs, the beginning and the end.
    pub(crate) logs: String,
    pieces: Vec<u8>,
    too_long: bool,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    chunk: &'a RawValue,
}

pub(crate) async fn of_job(store: &dyn Store, id: &Id) -> Result<Said> {
    let mut said = Said::default();
    let mut after = 0;
    loop {
        let events = store.events(id, after, EVENTS_PER_READ).await?;
        events.iter().for_each(|event| said.push(event));
        match events.last() {
            Some(last) if events.len() as u32 == EVENTS_PER_READ => after = last.seq,
            _ => return Ok(said),
        }
    }
}

impl Said {
    fn push(&mut self, event: &Event) {
        match event.kind {
            EventKind::Log => push_lines(&mut self.logs, &event.data),
            EventKind::Output => self.push_piece(&event.data),
            // Another run begins from the front.
            EventKind::Start => (self.pieces, self.too_long) = (Vec::new(), false),
            _ => {}
        }
    }

    fn push_piece(&mut self, data: &str) {
        let Ok(Piece { chunk }) = serde_json::from_str(data) else {
            return;
        };
        // A piece that is too large for its event lies elsewhere.
        let elsewhere = chunk.get().starts_with(r#"{"$blob""#) && data.contains(JSON_TYPE);
        self.too_long |= elsewhere || self.pieces.len() + chunk.get().len() > PIECES_BYTES_MAX;
        if !self.too_long {
            self.pieces
                .push(if self.pieces.is_empty() { b'[' } else { b',' });
            self.pieces.extend_from_slice(chunk.get().as_bytes());
        }
    }

    /// The pieces of the output as a list, at rest; none before the first and when they are many.
    pub(crate) fn output(mut self) -> Option<Bytes> {
        if self.pieces.is_empty() || self.too_long {
            return None;
        }
        self.pieces.push(b']');
        Some(Bytes::from(self.pieces))
    }
}

fn push_lines(logs: &mut String, data: &str) {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let lines = data.get("data").and_then(Value::as_str).unwrap_or_default();
    logs.push_str(lines);
    if !lines.is_empty() && !lines.ends_with('\n') {
        logs.push('\n');
    }
    if logs.len() > 2 * LOG_KEPT_BYTES_MAX {
        let began = after_line(logs, LOG_KEPT_BYTES_MAX / 4);
        let end = after_line(logs, logs.len() - LOG_KEPT_BYTES_MAX * 3 / 4);
        logs.replace_range(began..end, "… lines are left out here …\n");
    }
}

/// The place behind the line that goes over `at`.
fn after_line(logs: &str, at: usize) -> usize {
    let rest = &logs.as_bytes()[at..];
    let line = rest.iter().position(|byte| *byte == b'\n');
    line.map_or(logs.len(), |length| at + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, data: &str) -> Event {
        Event {
            seq: 1,
            kind,
            at: onstage_core::Timestamp(0),
            data: data.to_owned(),
        }
    }

    #[test]
    fn the_output_so_far_is_that_of_the_run_that_goes_on() {
        let mut said = Said::default();
        assert!(Said::default().output().is_none());
        said.push(&event(EventKind::Output, r#"{"index":0,"chunk":"lost"}"#));
        said.push(&event(EventKind::Start, r#"{"run":2}"#));
        said.push(&event(EventKind::Output, r#"{"index":0,"chunk":"a, b"}"#));
        said.push(&event(EventKind::Log, r#"{"data":"hello"}"#));
        said.push(&event(EventKind::Output, r#"{"index":1,"chunk":{"c":1}}"#));
        assert_eq!(said.logs, "hello\n");
        assert_eq!(said.output().unwrap(), r#"["a, b",{"c":1}]"#);
        let mut long = Said::default();
        let chunk = format!(
            r#"{{"index":0,"chunk":"{}"}}"#,
            "x".repeat(PIECES_BYTES_MAX)
        );
        long.push(&event(EventKind::Output, &chunk));
        assert!(long.output().is_none());
    }

    #[test]
    fn long_logs_keep_their_beginning_and_their_end() {
        let mut logs = String::new();
        for number in 0..60_000 {
            push_lines(&mut logs, &format!(r#"{{"data":"ligne é {number}\n"}}"#));
        }
        assert!(logs.len() <= 2 * LOG_KEPT_BYTES_MAX + 100);
        assert!(logs.starts_with("ligne é 0\n") && logs.ends_with("ligne é 59999\n"));
        assert_eq!(logs.matches("left out here").count(), 1);
        let whole = |line: &str| line.starts_with("ligne é ") || line.starts_with('…');
        assert!(logs.lines().all(whole));
    }
}
