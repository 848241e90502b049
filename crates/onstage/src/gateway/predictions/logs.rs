//! `GET /v1/predictions/{id}/logs`: what the model printed, as text.
//! Does not change anything.

use super::find;
use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
};
use onstage_core::{Id, event::EventKind, limits::LOG_KEPT_BYTES_MAX};
use serde_json::Value;

/// Events read in one go.
const EVENTS_PER_READ: u32 = 1000;

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = find::find(&call, &id).await?;
    let known = find::known(&call, &place).await?;
    Ok(call::text(known.logs))
}

/// The log lines among a job's events; of very long logs, the beginning and the end.
pub(crate) async fn of_job(call: &Call, id: &Id) -> Result<String, Problem> {
    let mut logs = String::new();
    let mut after = 0;
    loop {
        let events = call
            .state
            .parts
            .store
            .events(id, after, EVENTS_PER_READ)
            .await?;
        for event in events.iter().filter(|event| event.kind == EventKind::Log) {
            push_lines(&mut logs, &event.data);
        }
        match events.last() {
            Some(last) if events.len() as u32 == EVENTS_PER_READ => after = last.seq,
            _ => return Ok(logs),
        }
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
