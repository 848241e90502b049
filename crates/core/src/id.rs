//! Ids of records: 26 characters of lower-case base32 that sort by the time they were made.
//! Does not read a clock or a random source; both are passed in.

use crate::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// A record's id. Ours have 26 characters; a client may choose its own for `PUT` (8 to 64 of `a-z0-9_-`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// Makes an id from the time (48 bits) and entropy (its lowest 80 bits).
    pub fn from_parts(now: Timestamp, entropy: u128) -> Self {
        let time = u128::from(now.0.max(0) as u64 & 0xffff_ffff_ffff);
        let bits = (time << 80) | (entropy & ((1 << 80) - 1));
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
        let early = Id::from_parts(Timestamp(1_000), u128::MAX);
        let late = Id::from_parts(Timestamp(1_001), 0);
        assert!(early < late);
        assert_eq!(early.as_str().len(), LENGTH);
        assert_eq!(early.as_str().parse::<Id>().unwrap(), early);
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
