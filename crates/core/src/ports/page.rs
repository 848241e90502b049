//! Pages of lists: where one begins, and what it holds.
//! Does not know what the rows are.

use crate::{Error, Id, Result, Timestamp};
use std::{fmt, str::FromStr};

/// The most characters of a cursor's text that are looked at.
const CURSOR_CHARS_MAX: usize = 120;

/// A row's place in a list that is ordered by time and, within a millisecond, by id. Written `{time in ms:013}-{id}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub at: Timestamp,
    /// As the store has it, which for a damaged row is no id of ours.
    pub id: String,
}

impl Cursor {
    pub fn of(at: Timestamp, id: &Id) -> Self {
        Self {
            at,
            id: id.to_string(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}-{}", self.at.0, self.id)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // The first character may be the sign of a time before 1970.
        let dash = text.char_indices().skip(1).find(|(_, c)| *c == '-');
        let (at, id) = dash.map_or((text, ""), |(dash, _)| (&text[..dash], &text[dash + 1..]));
        match at.parse() {
            Ok(at) if !id.is_empty() && text.len() <= CURSOR_CHARS_MAX => Ok(Self {
                at: Timestamp(at),
                id: id.to_owned(),
            }),
            _ => {
                let shown: String = text.chars().take(CURSOR_CHARS_MAX).collect();
                Err(Error::invalid(format!("`{shown}` is not a cursor"))
                    .hint("follow the `next` link of the page before"))
            }
        }
    }
}

/// A page of a list: newest first by time and id, where a list does not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<C = Cursor> {
    /// Only what comes after this place.
    pub after: Option<C>,
    pub limit: u32,
}

/// The rows of a page. Rows that cannot be read are left out, so there may be fewer than the limit although more follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T, C = Cursor> {
    pub rows: Vec<T>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<C>,
}

impl<T, C> Default for Listed<T, C> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            next: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_sort_by_time() {
        for (at, id) in [
            (0, "abcdefgh"),
            (1_764_000_000_000, "my-own-id"),
            (-5, "old-one-"),
        ] {
            let cursor = Cursor {
                at: Timestamp(at),
                id: id.to_owned(),
            };
            assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }
        let early = "0000000000099-zzzzzzzz".parse::<Cursor>().unwrap();
        assert!(early < "0000000000100-aaaaaaaa".parse().unwrap());
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "-", "12", "12-", "x-abcdefgh", "abcdefghijk", "é-é"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
        assert!(format!("1-{}", "x".repeat(200)).parse::<Cursor>().is_err());
    }
}
