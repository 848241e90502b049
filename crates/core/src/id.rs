//! Ids of records: 26 characters of lower-case base32 that sort by the time they were made.
//! Does not read a clock or a random source; both are passed in.

use crate::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// A record's id. Ours have 26 characters; a client may choose its own for `PUT` (8 to 64 of `a-z0-9_-`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    fn from_bits(bits: u128) -> Self {
        let text = (0..LENGTH)
            .rev()
            .map(|place| ALPHABET[(bits >> (place * 5)) as usize & 31] as char)
            .collect();
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Makes ids that sort in the order they were made: one for a process, shared by reference.
#[derive(Debug, Default)]
pub struct Ids {
    last: Mutex<u128>,
}

impl Ids {
    /// From the time (48 bits) and entropy (80 bits). Within a millisecond, or when the clock was set back, an
    /// id is the one before it plus a random step: later, and no easier to guess.
    pub fn next(&self, now: Timestamp, entropy: u128) -> Id {
        let time = u128::from(now.0.max(0) as u64 & 0xffff_ffff_ffff);
        let fresh = (time << 80) | (entropy & ((1 << 80) - 1));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if fresh >> 80 > *last >> 80 {
            fresh
        } else {
            *last + 1 + (entropy & ((1 << 64) - 1))
        };
        Id::from_bits(*last)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fits = (8..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid(format!(
                "`{}` is not an id",
                text.chars().take(80).collect::<String>()
            ))
            .hint("an id has 8 to 64 characters out of a-z, 0-9, `-` and `_`"))
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_parse_back() {
        let ids = Ids::default();
        let early = ids.next(Timestamp(1_000), u128::MAX);
        let late = ids.next(Timestamp(1_001), 0);
        assert!(early < late);
        assert_eq!(early.as_str().len(), LENGTH);
        assert_eq!(early.as_str().parse::<Id>().unwrap(), early);
    }

    #[test]
    fn ids_of_one_millisecond_sort_as_made_and_so_do_those_after_the_clock_was_set_back() {
        let ids = Ids::default();
        let made: Vec<Id> = [(7, u128::MAX), (7, 0), (7, u128::MAX), (3, 5), (8, 1)]
            .map(|(time, entropy)| ids.next(Timestamp(time), entropy))
            .to_vec();
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
    }

    #[test]
    fn strange_ids_are_refused() {
        for text in [
            "",
            "short",
            "UPPERCASE1",
            "../../etc/passwd",
            "with space1",
            &"x".repeat(65),
        ] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }
}
