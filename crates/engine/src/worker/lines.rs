//! Lines out of a worker's output: cut, marked with the item they belong to, and the last of them kept.
//! Does no IO; bytes are fed in as they come.

use bytes::BytesMut;
use onstage_core::limits::LOG_LINE_BYTES_MAX;
use std::collections::VecDeque;

/// The byte that starts a mark line.
const MARK: u8 = 0x1e;
/// Lines kept for the report of a death.
const TAIL_LINES_MAX: usize = 50;
/// Bytes kept for the report of a death.
const TAIL_BYTES_MAX: usize = 16 * 1024;
const CUT: &str = " … [line cut]";

/// Cuts a byte stream into lines.
#[derive(Default)]
pub(super) struct Lines {
    rest: BytesMut,
    /// The line being read was over the limit: what comes until its end is dropped.
    skipping: bool,
    /// The item that the lines belong to, as the worker marked.
    item: Option<u64>,
}

impl Lines {
    /// Feeds bytes; `tell` gets each whole line with the item it is marked with.
    pub(super) fn feed(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Option<u64>, &str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            self.add(text, tell);
            if whole {
                self.end_line(tell);
            }
        }
    }

    /// The stream ended: a last line without an end is a line.
    pub(super) fn finish(&mut self, tell: &mut dyn FnMut(Option<u64>, &str)) {
        if !self.rest.is_empty() {
            self.end_line(tell);
        }
    }

    fn add(&mut self, text: &[u8], tell: &mut dyn FnMut(Option<u64>, &str)) {
        if self.skipping {
            return;
        }
        let room = LOG_LINE_BYTES_MAX.saturating_sub(self.rest.len());
        self.rest.extend_from_slice(&text[..text.len().min(room)]);
        if text.len() > room {
            let cut = format!("{}{CUT}", String::from_utf8_lossy(&self.rest));
            tell(self.item, &cut);
            self.rest.clear();
            self.skipping = true;
        }
    }

    fn end_line(&mut self, tell: &mut dyn FnMut(Option<u64>, &str)) {
        let line = self.rest.split();
        if std::mem::take(&mut self.skipping) {
            return;
        }
        if line.first() == Some(&MARK) {
            self.item = std::str::from_utf8(&line[1..])
                .ok()
                .and_then(|id| id.trim().parse().ok());
            return;
        }
        let text = String::from_utf8_lossy(&line);
        tell(self.item, text.strip_suffix('\r').unwrap_or(&text));
    }
}

/// The last lines a worker printed with the items they are marked with, for whoever must explain its death.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<(Option<u64>, String)>,
    bytes: usize,
}

impl Tail {
    pub(super) fn push(&mut self, item: Option<u64>, line: &str) {
        self.bytes += line.len();
        self.lines.push_back((item, line.to_owned()));
        while self.lines.len() > TAIL_LINES_MAX || self.bytes > TAIL_BYTES_MAX {
            match self.lines.pop_front() {
                Some((_, gone)) => self.bytes -= gone.len(),
                None => break,
            }
        }
    }

    /// What was printed so far explains nothing that comes.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.bytes = 0;
    }

    /// The lines of no item in particular and those of items that died with the worker.
    pub(super) fn text(&self, died: impl Fn(u64) -> bool) -> Option<String> {
        let lines: Vec<&str> = self
            .lines
            .iter()
            .filter(|(item, _)| item.is_none_or(&died))
            .map(|(_, line)| line.as_str())
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Vec<(Option<u64>, String)> {
        let mut lines = Lines::default();
        let mut told = Vec::new();
        let mut tell = |item, text: &str| told.push((item, text.to_owned()));
        for piece in pieces {
            lines.feed(piece, &mut tell);
        }
        lines.finish(&mut tell);
        told
    }

    #[test]
    fn marks_say_whose_lines_follow_and_are_not_shown() {
        let told = read(&[b"a\n\x1e7\nb", b"c\n\n\x1e\r\nlast"]);
        let expected = [(None, "a"), (Some(7), "bc"), (Some(7), ""), (None, "last")];
        assert_eq!(told, expected.map(|(item, text)| (item, text.to_owned())));
    }

    #[test]
    fn an_endless_line_is_cut_and_says_so() {
        let long = vec![b'x'; LOG_LINE_BYTES_MAX * 3];
        let told = read(&[&long, &long, b"\nnext\n"]);
        assert_eq!(told.len(), 2);
        assert!(told[0].1.ends_with(CUT));
        assert_eq!(told[0].1.len(), LOG_LINE_BYTES_MAX + CUT.len());
        assert_eq!(told[1].1, "next");
    }

    #[test]
    fn a_tail_holds_the_last_lines_only() {
        let mut tail = Tail::default();
        for number in 0..200 {
            tail.push(None, &number.to_string());
        }
        let text = tail.text(|_| false).unwrap();
        assert!(text.ends_with("199") && text.starts_with("150"), "{text}");
        tail.push(None, &"y".repeat(TAIL_BYTES_MAX + 1));
        assert_eq!(tail.text(|_| true), None);
    }

    #[test]
    fn a_tail_leaves_out_what_others_printed() {
        let mut tail = Tail::default();
        tail.push(None, "of setup");
        tail.clear();
        for (item, line) in [
            (Some(1), "of one"),
            (Some(2), "of two"),
            (None, "of the process"),
        ] {
            tail.push(item, line);
        }
        let text = tail.text(|item| item == 2).unwrap();
        assert_eq!(text, "of two\nof the process");
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_are_cut(text in "[a-c\n\u{1e}0-9]{0,80}", cut in 0_usize..80) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            prop_assert_eq!(read(&[bytes]), read(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
