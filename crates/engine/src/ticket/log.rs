//! The numbered events of one prediction, in memory and bounded, kept as facts and put into JSON only for whoever reads them.
//! Does not know who reads.

use onstage_core::{
    Timestamp,
    event::{Event, EventKind},
    outcome::{Phase, Progress},
};
use serde_json::json;
use std::collections::VecDeque;

/// The first events stay, so many and so much text: how something began is asked for as often as how it ended.
const HEAD_EVENTS_MAX: usize = 256;
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Of those that follow, so many are kept, the newest.
const EVENTS_MAX: usize = 4096;
/// Bytes of text in these; pieces of an output are counted with the output.
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
    head: Vec<(Timestamp, Fact)>,
    head_bytes: usize,
    tail: VecDeque<(Timestamp, Fact)>,
    tail_bytes: usize,
    /// How many went between the two.
    gone: u64,
}

impl EventLog {
    pub(crate) fn push(&mut self, at: Timestamp, fact: Fact) {
        let bytes = fact.text_bytes();
        let head_has_room =
            self.head.len() < HEAD_EVENTS_MAX && self.head_bytes + bytes <= HEAD_BYTES_MAX;
        if head_has_room && self.last_seq() == self.head.len() as u64 {
            self.head_bytes += bytes;
            self.head.push((at, fact));
            return;
        }
        self.tail_bytes += bytes;
        self.tail.push_back((at, fact));
        while self.tail.len() > EVENTS_MAX
            || (self.tail_bytes > EVENTS_BYTES_MAX && self.tail.len() > 1)
        {
            let Some((_, oldest)) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= oldest.text_bytes();
            self.gone += 1;
        }
    }

    /// Bytes of text in it.
    pub(crate) fn bytes(&self) -> usize {
        self.head_bytes + self.tail_bytes
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.before_tail() + self.tail.len() as u64
    }

    /// What is kept of those that follow `seq`. A line tells of those between that are not.
    pub(crate) fn after(&self, seq: u64) -> Vec<Event> {
        let numbered = |(seq, (at, fact)): (u64, &(Timestamp, Fact))| fact.event(seq, *at);
        let head = (1..).zip(&self.head).skip(seq as usize).map(numbered);
        let skip = seq.saturating_sub(self.before_tail()) as usize;
        let tail = (self.before_tail() + 1..).zip(&self.tail).skip(skip);
        head.chain(self.gap(seq))
            .chain(tail.map(numbered))
            .collect()
    }

    /// The number of the event before the tail.
    fn before_tail(&self) -> u64 {
        self.head.len() as u64 + self.gone
    }

    /// In place of the last one that is gone, for who has not come that far.
    fn gap(&self, seq: u64) -> Option<Event> {
        let place = self.before_tail();
        if self.gone == 0 || seq >= place {
            return None;
        }
        let (at, _) = self.tail.front()?;
        let told = Fact::Log {
            source: "onstage",
            level: "info",
            text: format!("… {} events are not kept …", self.gone),
        };
        Some(told.event(place, *at))
    }
}

impl Fact {
    fn event(&self, seq: u64, at: Timestamp) -> Event {
        Event {
            seq,
            kind: self.kind(),
            at,
            data: self.data(),
        }
    }

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
    fn the_first_and_the_last_events_stay_and_numbers_go_on() {
        let mut log = EventLog::default();
        let last = (HEAD_EVENTS_MAX + EVENTS_MAX + 10) as u64;
        for ahead in 0..last as u32 {
            log.push(Timestamp(i64::from(ahead)), Fact::Queued { ahead });
        }
        assert_eq!(log.last_seq(), last);
        let all = log.after(0);
        assert_eq!(all.len(), HEAD_EVENTS_MAX + 1 + EVENTS_MAX);
        assert_eq!((all[0].seq, all[0].at), (1, Timestamp(0)));
        let gap = &all[HEAD_EVENTS_MAX];
        assert_eq!(gap.seq, HEAD_EVENTS_MAX as u64 + 10);
        assert!(gap.data.contains("10 events are not kept"), "{}", gap.data);
        assert_eq!(all[HEAD_EVENTS_MAX + 1].seq, gap.seq + 1);
        for seen in [0, 1, 255, 256, 260, 265, 266, 267, 4_000, last - 1, last] {
            let next = log.after(seen);
            let numbers: Vec<u64> = next.iter().map(|event| event.seq).collect();
            assert!(numbers.is_sorted_by(|one, other| one < other));
            assert!(numbers.first().is_none_or(|first| *first > seen));
            assert_eq!(numbers.last().copied().unwrap_or(last), last);
        }
        assert_eq!(log.after(266).len(), EVENTS_MAX);
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
        assert!(log.bytes() <= HEAD_BYTES_MAX + EVENTS_BYTES_MAX);
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
