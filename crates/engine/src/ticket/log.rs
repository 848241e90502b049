//! The numbered events of one prediction, in memory and bounded, kept as facts and put into JSON only for whoever reads them.
//! Does not know who reads.

use onstage_core::{
    Timestamp,
    event::{Event, EventKind},
    outcome::{Phase, Progress},
};
use serde_json::json;
use std::collections::VecDeque;

/// Events kept; of more, the oldest go.
const EVENTS_MAX: usize = 4096;
/// Bytes of text in the events kept; pieces of an output are counted with the output.
const EVENTS_BYTES_MAX: usize = 1 << 20;

/// One fact.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Queued {
        ahead: u32,
    },
    Phase {
        phase: Phase,
        text: String,
    },
    Start,
    Progress(Progress),
    /// JSON text with `$attachment` numbers into the partial output.
    Output {
        index: u64,
        chunk: bytes::Bytes,
    },
    Log {
        source: &'static str,
        level: &'static str,
        text: String,
    },
    Metric {
        json: String,
    },
    Completed {
        status: &'static str,
    },
}

#[derive(Debug, Default)]
pub(crate) struct EventLog {
    facts: VecDeque<(Timestamp, Fact)>,
    /// How many went before the first that is there.
    gone: u64,
    bytes: usize,
}

impl EventLog {
    pub(crate) fn push(&mut self, at: Timestamp, fact: Fact) {
        self.bytes += fact.text_bytes();
        self.facts.push_back((at, fact));
        while self.facts.len() > EVENTS_MAX
            || (self.bytes > EVENTS_BYTES_MAX && self.facts.len() > 1)
        {
            let Some((_, oldest)) = self.facts.pop_front() else {
                break;
            };
            self.bytes -= oldest.text_bytes();
            self.gone += 1;
        }
    }

    /// Bytes of text in it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.gone + self.facts.len() as u64
    }

    pub(crate) fn after(&self, seq: u64) -> Vec<Event> {
        let skip = seq.saturating_sub(self.gone) as usize;
        let first = self.gone.max(seq) + 1;
        (first..)
            .zip(self.facts.iter().skip(skip))
            .map(|(seq, (at, fact))| Event {
                seq,
                kind: fact.kind(),
                at: *at,
                data: fact.data(),
            })
            .collect()
    }
}

impl Fact {
    fn text_bytes(&self) -> usize {
        match self {
            Self::Phase { text, .. } | Self::Log { text, .. } | Self::Metric { json: text } => {
                text.len()
            }
            Self::Progress(progress) => progress.text.len(),
            Self::Queued { .. } | Self::Start | Self::Output { .. } | Self::Completed { .. } => 0,
        }
    }

    fn kind(&self) -> EventKind {
        match self {
            Self::Queued { .. } => EventKind::Queued,
            Self::Phase { .. } => EventKind::Phase,
            Self::Start => EventKind::Start,
            Self::Progress(_) => EventKind::Progress,
            Self::Output { .. } => EventKind::Output,
            Self::Log { .. } => EventKind::Log,
            Self::Metric { .. } => EventKind::Metric,
            Self::Completed { .. } => EventKind::Completed,
        }
    }

    fn data(&self) -> String {
        match self {
            Self::Queued { ahead } => {
                json!({"position": ahead + 1, "ahead": ahead, "phase": "queued"}).to_string()
            }
            Self::Phase { phase, text } => json!({"phase": phase, "text": text}).to_string(),
            Self::Start => "{}".to_owned(),
            Self::Progress(progress) => {
                serde_json::to_string(progress).unwrap_or_else(|_| "{}".to_owned())
            }
            Self::Output { index, chunk } => format!(
                r#"{{"index":{index},"chunk":{}}}"#,
                String::from_utf8_lossy(chunk)
            ),
            Self::Log {
                source,
                level,
                text,
            } => json!({"source": source, "level": level, "data": text}).to_string(),
            Self::Metric { json } => json.clone(),
            Self::Completed { status } => json!({"status": status}).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_when_old_events_are_gone() {
        let mut log = EventLog::default();
        for ahead in 0..(EVENTS_MAX as u32 + 10) {
            log.push(Timestamp(i64::from(ahead)), Fact::Queued { ahead });
        }
        assert_eq!(log.last_seq(), EVENTS_MAX as u64 + 10);
        let all = log.after(0);
        assert_eq!(
            (all.len(), all[0].seq, all[0].at),
            (EVENTS_MAX, 11, Timestamp(10))
        );
        let last = log.after(EVENTS_MAX as u64 + 9);
        assert_eq!((last.len(), last[0].seq), (1, EVENTS_MAX as u64 + 10));
        assert!(log.after(EVENTS_MAX as u64 + 10).is_empty());
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let mut log = EventLog::default();
        let line = || Fact::Log {
            source: "stdout",
            level: "info",
            text: "x".repeat(16 * 1024),
        };
        for _ in 0..1_000 {
            log.push(Timestamp(1), line());
        }
        assert!(log.bytes() <= EVENTS_BYTES_MAX);
        assert_eq!(log.last_seq(), 1_000);
        assert_eq!(log.after(0).last().unwrap().seq, 1_000);
    }

    #[test]
    fn a_chunk_stays_the_json_it_was() {
        let fact = Fact::Output {
            index: 2,
            chunk: bytes::Bytes::from_static(br#"{"a": 1.50}"#),
        };
        assert_eq!(fact.data(), r#"{"index":2,"chunk":{"a": 1.50}}"#);
    }
}
