//! What is kept of a run's log: the beginning as it comes, the end at the end, a marked gap between.
//! Pure; does not store anything.

use onstage_core::limits::LOG_KEPT_BYTES_MAX;
use std::collections::VecDeque;

/// Bytes of the beginning, which are streamed as they come.
const HEAD_BYTES_MAX: usize = LOG_KEPT_BYTES_MAX / 2;
/// Bytes of the end, which are kept until the run ends.
const TAIL_BYTES_MAX: usize = LOG_KEPT_BYTES_MAX / 2;

/// Told where lines begin to be held back.
pub(crate) const MUCH_IS_PRINTED: &str =
    "… a lot is printed: more lines follow when the run ends …";

/// The budget of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogKeep {
    head_bytes: usize,
    full: bool,
    tail: VecDeque<String>,
    tail_bytes: usize,
    dropped_lines: u64,
}

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Show it now.
    Now,
    /// The first one that is held back: say so now, show it at the end if it is still among the last.
    FirstLater,
    /// Show it at the end if it is still among the last.
    Later,
}

impl LogKeep {
    pub(crate) fn push(&mut self, line: &str) -> Keep {
        let bytes = line.len() + 1;
        if !self.full && self.head_bytes + bytes <= HEAD_BYTES_MAX {
            self.head_bytes += bytes;
            return Keep::Now;
        }
        self.tail.push_back(line.to_owned());
        self.tail_bytes += bytes;
        while self.tail_bytes > TAIL_BYTES_MAX {
            let Some(gone) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= gone.len() + 1;
            self.dropped_lines += 1;
        }
        let first = !self.full;
        self.full = true;
        if first { Keep::FirstLater } else { Keep::Later }
    }

    /// Whether there are lines to be shown at the end.
    pub(crate) fn holds_back(&self) -> bool {
        !self.tail.is_empty()
    }

    /// The lines held back, with the gap marked; empty when nothing was.
    pub(crate) fn take_tail(&mut self) -> String {
        let mut text = String::with_capacity(self.tail_bytes + 80);
        if self.dropped_lines > 0 {
            text.push_str(&format!("… {} lines are not kept …\n", self.dropped_lines));
        }
        for line in self.tail.drain(..) {
            text.push_str(&line);
            text.push('\n');
        }
        self.tail_bytes = 0;
        self.dropped_lines = 0;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_log_is_shown_as_it_comes() {
        let mut keep = LogKeep::default();
        assert_eq!(keep.push("hello"), Keep::Now);
        assert_eq!(keep.take_tail(), "");
    }

    #[test]
    fn a_long_log_keeps_its_beginning_and_its_end_and_says_what_is_missing() {
        let mut keep = LogKeep::default();
        let (mut shown, mut announced) = (0, 0);
        for number in 0..100_000 {
            match keep.push(&format!("line {number}")) {
                Keep::Now => shown += 1,
                Keep::FirstLater => announced += 1,
                Keep::Later => {}
            }
        }
        assert!(keep.holds_back());
        let tail = keep.take_tail();
        assert!(!keep.holds_back());
        let held = tail.lines().count() - 1;
        assert_eq!(announced, 1);
        assert!(tail.ends_with("line 99999\n"));
        assert!(tail.starts_with(&format!("… {} lines", 100_000 - shown - held)));
    }

    proptest! {
        #[test]
        fn the_limit_holds_and_every_line_is_shown_held_or_counted(lengths in prop::collection::vec(0_usize..20_000, 0..200)) {
            let mut keep = LogKeep::default();
            let mut shown = 0;
            for length in &lengths {
                let line = "x".repeat(*length);
                if keep.push(&line) == Keep::Now {
                    shown += length + 1;
                }
            }
            prop_assert!(shown <= HEAD_BYTES_MAX);
            prop_assert!(keep.tail_bytes <= TAIL_BYTES_MAX);
            prop_assert!(keep.take_tail().len() <= TAIL_BYTES_MAX + 80);
        }
    }
}
