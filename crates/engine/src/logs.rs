//! The log of one prediction or build: lines as they come, the middle dropped when it grows over its limit, the gap marked.
//! Does not know where the lines come from.

use onstage_core::limits::LOG_KEPT_BYTES_MAX;
use std::collections::VecDeque;

/// The beginning is kept up to here; the rest of the limit is for the newest lines.
const HEAD_BYTES_MAX: usize = LOG_KEPT_BYTES_MAX / 4;
const TAIL_BYTES_MAX: usize = LOG_KEPT_BYTES_MAX - HEAD_BYTES_MAX;

/// A log within `LOG_KEPT_BYTES_MAX`.
#[derive(Debug, Clone, Default)]
pub struct KeptLog {
    head: String,
    tail: VecDeque<String>,
    tail_bytes: usize,
    dropped_lines: u64,
}

impl KeptLog {
    pub fn push(&mut self, line: &str) {
        if self.tail.is_empty() && self.head.len() + line.len() < HEAD_BYTES_MAX {
            self.head.push_str(line);
            self.head.push('\n');
            return;
        }
        self.tail_bytes += line.len() + 1;
        self.tail.push_back(line.to_owned());
        while self.tail_bytes > TAIL_BYTES_MAX
            && let Some(gone) = self.tail.pop_front()
        {
            self.tail_bytes -= gone.len() + 1;
            self.dropped_lines += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// The whole text, every line ended.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail_bytes + 40);
        text.push_str(&self.head);
        if self.dropped_lines > 0 {
            text.push_str(&format!("[{} lines left out]\n", self.dropped_lines));
        }
        for line in &self.tail {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_survive_and_the_gap_is_marked() {
        let mut log = KeptLog::default();
        for number in 0..20_000 {
            log.push(&format!("line {number} {}", "x".repeat(40)));
        }
        let text = log.text();
        assert!(text.starts_with("line 0 "));
        assert!(text.contains(" lines left out]\n"));
        assert!(
            text.trim_end()
                .rsplit('\n')
                .next()
                .unwrap()
                .starts_with("line 19999 ")
        );
        assert!(text.len() <= LOG_KEPT_BYTES_MAX + 64, "{}", text.len());
    }

    #[test]
    fn a_short_log_is_whole() {
        let mut log = KeptLog::default();
        assert!(log.is_empty());
        log.push("a");
        log.push("");
        assert_eq!(log.text(), "a\n\n");
    }
}
