//! Times for people: ages of what happened, spans, and points in the past as they are typed.
//! Reads no clock; now is passed in.

use onstage_core::{Error, Result, Timestamp, config::Span};
use serde_json::Value;
use std::time::Duration;

/// `3 min ago` for an RFC 3339 time in an answer; empty when there is none.
pub(super) fn ago(time: &Value, now: Timestamp) -> String {
    match time.as_str().and_then(parse) {
        Some(then) => format!("{} ago", span(now.since(then))),
        None => String::new(),
    }
}

/// A span in its one or two largest units.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d", seconds / 86400),
    }
}

/// Seconds as an answer gives them.
pub(super) fn seconds(value: &Value) -> String {
    value
        .as_f64()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(span)
        .unwrap_or_default()
}

/// To the millisecond, so that texts sort as times do.
pub(super) fn utc(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    format!("{time:.3}")
}

pub(super) fn parse(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|time| Timestamp(time.as_millisecond()))
}

/// `7d`, `2h`, `2026-05-01` or a whole RFC 3339 time, as an RFC 3339 time.
pub(super) fn since(text: &str, now: Timestamp) -> Result<String> {
    let wrong = || {
        Error::invalid(format!("`{text}` is not a time"))
            .hint("write an age like `7d` or `2h`, or a day like `2026-05-01`")
    };
    let rfc3339 =
        |millis: i64| jiff::Timestamp::from_millisecond(millis).map(|time| time.to_string());
    if let Ok(Span(age)) = text.parse::<Span>() {
        let millis = i64::try_from(age.as_millis()).map_err(|_| wrong())?;
        return rfc3339(now.0.saturating_sub(millis)).map_err(|_| wrong());
    }
    if let Some(time) = parse(text) {
        return rfc3339(time.0).map_err(|_| wrong());
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
    let start = day
        .to_zoned(jiff::tz::TimeZone::system())
        .map_err(|_| wrong())?;
    Ok(start.timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn spans_read_well() {
        for (millis, text) in [
            (15, "15 ms"),
            (1_540, "1.5 s"),
            (42_000, "42 s"),
            (200_000, "3 min"),
            (7_500_000, "2 h 5 min"),
            (900_000_000, "10 d"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn ages_and_points_are_understood() {
        assert_eq!(ago(&"2023-11-14T22:13:10Z".into(), NOW), "10 s ago");
        assert_eq!(ago(&Value::Null, NOW), "");
        assert_eq!(since("1h", NOW).unwrap(), "2023-11-14T21:13:20Z");
        assert_eq!(
            since("2023-11-14T00:00:00Z", NOW).unwrap(),
            "2023-11-14T00:00:00Z"
        );
        assert!(since("2026-05-01", NOW).unwrap().starts_with("2026-0"));
        assert!(since("yesterday", NOW).is_err());
    }
}
