//! How fast a batch job goes and when it will be done, in words.
//! Pure: time is passed in.

use onstage_core::outcome::Progress;
use std::time::Duration;

/// The rate forgets what was this long ago, so that a slow start does not spoil the estimate.
const RATE_MEMORY_S: f64 = 20.0;

/// Rows over time.
#[derive(Debug)]
pub(crate) struct Pace {
    started: Duration,
    /// Rows done before this run began.
    before: u64,
    last: (Duration, u64),
    rate: Option<f64>,
}

impl Pace {
    pub(crate) fn new(before: u64, now: Duration) -> Self {
        Self {
            started: now,
            before,
            last: (now, before),
            rate: None,
        }
    }

    /// Takes in how many rows are done now; answers the progress to show.
    pub(crate) fn progress(&mut self, done: u64, total: Option<u64>, now: Duration) -> Progress {
        let (at, rows) = self.last;
        let seconds = now.saturating_sub(at).as_secs_f64();
        if seconds > 0.2 && done > rows {
            let latest = (done - rows) as f64 / seconds;
            let weight = 1.0 - (-seconds / RATE_MEMORY_S).exp();
            self.rate = Some(
                self.rate
                    .map_or(latest, |rate| rate + (latest - rate) * weight),
            );
            self.last = (now, done);
        }
        Progress {
            done: done as f64,
            total: total.map(|total| total as f64),
            text: self.text(done, total),
            used: None,
        }
    }

    /// Rows a second over the whole run.
    pub(crate) fn rows_per_s(&self, done: u64, now: Duration) -> f64 {
        let seconds = now.saturating_sub(self.started).as_secs_f64().max(1e-3);
        done.saturating_sub(self.before) as f64 / seconds
    }

    fn text(&self, done: u64, total: Option<u64>) -> String {
        let Some(rate) = self.rate.filter(|rate| *rate > 0.0) else {
            return String::new();
        };
        let speed = if rate >= 10.0 {
            format!("{} rows/s", grouped(rate.round() as u64))
        } else {
            format!("{rate:.1} rows/s")
        };
        match total {
            Some(total) if total > done => {
                let left = (total - done) as f64 / rate;
                format!("{speed}, about {} left", span(left))
            }
            _ => speed,
        }
    }
}

/// `12 s`, `5 min`, `3 h`, `2 d`.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{} s", s.ceil()),
        s if s < 5_400.0 => format!("{} min", (s / 60.0).round()),
        s if s < 172_800.0 => format!("{} h", (s / 3_600.0).round()),
        s => format!("{} d", (s / 86_400.0).round()),
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_rate_and_time_left() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(1_000, Duration::ZERO);
        assert_eq!(pace.progress(1_000, Some(9_400), second).text, "");
        let progress = pace.progress(3_400, Some(15_400), second * 2);
        assert_eq!(progress.text, "1,200 rows/s, about 10 s left");
        assert_eq!((progress.done, progress.total), (3_400.0, Some(15_400.0)));
        assert_eq!(pace.progress(3_400, None, second * 2).text, "1,200 rows/s");
        assert!((pace.rows_per_s(3_400, second * 2) - 1_200.0).abs() < 1e-9);
    }

    #[test]
    fn spans_and_numbers_read_well() {
        assert_eq!(span(0.2), "1 s");
        assert_eq!(span(600.0), "10 min");
        assert_eq!(span(7_300.0), "2 h");
        assert_eq!(span(300_000.0), "3 d");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
    }
}
