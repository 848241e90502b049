//! The JSON that leaves: one file per thing, each a plain struct that the OpenAPI document is made from too.
//! Does not fetch anything.

pub(crate) mod alias;
pub(crate) mod batch;
pub(crate) mod compare;
pub(crate) mod dataset;
pub(crate) mod event;
pub(crate) mod feedback;
pub(crate) mod file;
pub(crate) mod job;
pub(crate) mod lessons;
pub(crate) mod model;
pub(crate) mod page;
pub(crate) mod people;
pub(crate) mod prediction;
pub(crate) mod schedule;
pub(crate) mod template;
pub(crate) mod training;
pub(crate) mod upload;
pub(crate) mod usage;
pub(crate) mod value;
pub(crate) mod version;
pub(crate) mod webhook;

use onstage_core::Timestamp;

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|at| format!("{at:.3}"))
        .unwrap_or_default()
}

pub(crate) fn maybe_time(at: Option<Timestamp>) -> Option<String> {
    at.map(time)
}

/// Reads what `time` writes, or a plain date.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_millisecond()));
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}

/// Milliseconds as the seconds of the wire.
pub(crate) fn seconds(milliseconds: f64) -> f64 {
    (milliseconds.max(0.0) * 1000.0).round() / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_read_back() {
        let text = time(Timestamp(1_700_000_000_120));
        assert_eq!(text, "2023-11-14T22:13:20.120Z");
        assert_eq!(parse_time(&text), Some(Timestamp(1_700_000_000_120)));
        assert_eq!(parse_time("1970-01-02"), Some(Timestamp(86_400_000)));
        assert_eq!(parse_time("yesterday"), None);
    }
}
