//! Which rows of a table a job is about: all, the first so many, or those that failed in another job.
//! Pure, but for the lines it is fed.

use super::line::Line;
use onstage_core::Result;

/// Rows chosen by index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    limit: Option<u64>,
    only: Option<Bits>,
}

/// A bit a row: a million rows are 125 kB.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    /// One more than the highest.
    end: u64,
}

impl Bits {
    pub(crate) fn add(&mut self, index: u64) {
        let word = (index / 64) as usize;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
        self.end = self.end.max(index + 1);
    }

    /// Takes in the row of a chunk's line if that row failed.
    pub(crate) fn add_if_failed(&mut self, line: &[u8]) -> Result<()> {
        let line = Line::parse(line)?;
        if line.error.is_some() {
            self.add(line.index);
        }
        Ok(())
    }

    fn has(&self, index: u64) -> bool {
        let word = self.words.get((index / 64) as usize);
        word.is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    fn count_before(&self, end: u64) -> u64 {
        (0..self.end.min(end))
            .filter(|index| self.has(*index))
            .count() as u64
    }
}

impl Selection {
    pub(crate) fn new(limit: Option<u64>, only: Option<Bits>) -> Self {
        Self { limit, only }
    }

    pub(crate) fn has(&self, index: u64) -> bool {
        index < self.end() && self.only.as_ref().is_none_or(|only| only.has(index))
    }

    /// No row from here on is chosen.
    pub(crate) fn end(&self) -> u64 {
        let limit = self.limit.unwrap_or(u64::MAX);
        self.only.as_ref().map_or(limit, |only| only.end.min(limit))
    }

    /// How many are chosen in a table of so many rows.
    pub(crate) fn count_within(&self, rows: u64) -> u64 {
        let end = rows.min(self.end());
        self.only
            .as_ref()
            .map_or(end, |only| only.count_before(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failed_rows_are_chosen() {
        let mut bits = Bits::default();
        for (index, rest) in [
            (0, r#""output":1"#),
            (5, r#""error":{"reason":"user_error","message":"x"}"#),
            (130, r#""error":{"reason":"timeout","message":"x"}"#),
        ] {
            bits.add_if_failed(format!(r#"{{"index":{index},{rest}}}"#).as_bytes())
                .unwrap();
        }
        let chosen = Selection::new(None, Some(bits.clone()));
        let found: Vec<u64> = (0..300).filter(|index| chosen.has(*index)).collect();
        assert_eq!(found, [5, 130]);
        assert_eq!(
            (
                chosen.end(),
                chosen.count_within(1_000),
                chosen.count_within(6)
            ),
            (131, 2, 1)
        );
        let first = Selection::new(Some(100), Some(bits));
        assert_eq!(
            (first.has(5), first.has(130), first.count_within(1_000)),
            (true, false, 1)
        );
    }

    #[test]
    fn without_a_choice_every_row_is_in() {
        let all = Selection::default();
        assert!(all.has(0) && all.has(u64::MAX - 1));
        assert_eq!(all.count_within(7), 7);
        assert_eq!(Selection::new(Some(3), None).count_within(7), 3);
    }
}
