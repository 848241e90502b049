//! Loads: when requests come, as rates in spans of time, made from a shape or read from a recorded trace.
//! Pure; does not know who answers.

use super::Random;
use std::{f64::consts::TAU, time::Duration};

/// How long each rate of a smooth shape holds.
const SMOOTH_SECONDS: f64 = 10.0;
const DAY_SECONDS: f64 = 86_400.0;
/// Of a load: more than any plan needs, and no shape or file takes all memory.
const SPANS_MAX: usize = 4_000_000;

/// A rate that holds for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub seconds: f64,
    /// Requests a second.
    pub rate: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    pub spans: Vec<Span>,
    pub chance: Chance,
}

/// How requests lie within a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// Independently of each other, as many people make them.
    Independent,
    /// Exactly as many as the rate says, spread over the span: the counts were recorded.
    Counted,
}

/// What a shape is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// Requests a second.
    pub base: f64,
    pub peak: f64,
    pub seconds: f64,
}

impl Load {
    pub fn constant(rate: f64, seconds: f64) -> Self {
        Self::of(&[(seconds, rate)])
    }

    /// Spans of independent requests, as (seconds, rate).
    pub fn of(spans: &[(f64, f64)]) -> Self {
        let span = |(seconds, rate): &(f64, f64)| Span {
            seconds: *seconds,
            rate: *rate,
        };
        Self {
            spans: spans.iter().map(span).collect(),
            chance: Chance::Independent,
        }
    }

    /// From the base to the peak in the middle, for good.
    pub fn step(it: &Measures) -> Self {
        let half = it.seconds / 2.0;
        Self::of(&[(half, it.base), (half, it.peak)])
    }

    /// Three spikes of half of the time in all.
    pub fn spike(it: &Measures) -> Self {
        let (calm, spike) = (it.seconds / 8.0, it.seconds / 6.0);
        let calm = (calm, it.base);
        let spike = (spike, it.peak);
        Self::of(&[calm, spike, calm, spike, calm, spike, calm])
    }

    /// Four times up in steps from the base to the peak, and down at once.
    pub fn sawtooth(it: &Measures) -> Self {
        let steps = ((it.seconds / 4.0 / SMOOTH_SECONDS) as usize).clamp(4, 1_000);
        let seconds = it.seconds / (4 * steps) as f64;
        let rate = |step: usize| it.base + (it.peak - it.base) * step as f64 / (steps - 1) as f64;
        let tooth: Vec<_> = (0..steps).map(|step| (seconds, rate(step))).collect();
        Self::of(&[&tooth[..]; 4].concat())
    }

    /// A night and a day: the base at the ends, the peak in the middle, two in the afternoon when it lasts a day.
    pub fn day(it: &Measures) -> Self {
        let steps = ((it.seconds / SMOOTH_SECONDS) as usize).clamp(24, 8_640);
        let seconds = it.seconds / steps as f64;
        let rate = |step: usize| {
            let hour = (step as f64 + 0.5) / steps as f64;
            let height = (1.0 - (TAU * (hour - 2.0 / 24.0)).cos()) / 2.0;
            // Most of a night is quiet.
            it.base + (it.peak - it.base) * height * height
        };
        let spans: Vec<_> = (0..steps).map(|step| (seconds, rate(step))).collect();
        Self::of(&spans)
    }

    /// Lines `second,requests`; a second without a line has none. A header and empty lines may be there.
    /// Errors: what is wrong and in which line.
    pub fn recorded(text: &str) -> Result<Self, String> {
        let mut counts: Vec<f64> = Vec::new();
        for (place, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || (place == 0 && line.starts_with(char::is_alphabetic)) {
                continue;
            }
            let wrong = || format!("line {}: `{line}` is not `second,requests`", place + 1);
            let (second, count) = line.split_once(',').ok_or_else(wrong)?;
            let second: usize = second.trim().parse().map_err(|_| wrong())?;
            let count: u32 = count.trim().parse().map_err(|_| wrong())?;
            if second >= SPANS_MAX {
                return Err(format!(
                    "line {}: second {second} is beyond {SPANS_MAX}; let the trace begin at second 0",
                    place + 1
                ));
            }
            counts.resize(counts.len().max(second + 1), 0.0);
            counts[second] += f64::from(count);
        }
        if counts.is_empty() {
            return Err("it has no line `second,requests`".to_owned());
        }
        let span = |rate| Span { seconds: 1.0, rate };
        Ok(Self {
            spans: counts.into_iter().map(span).collect(),
            chance: Chance::Counted,
        })
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        let seconds = self.spans.iter().map(|span| span.seconds).sum();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// How many requests are to be expected.
    pub fn requests(&self) -> f64 {
        let spans = self.spans.iter();
        spans.map(|span| span.rate * span.seconds).sum()
    }

    pub fn peak(&self) -> f64 {
        self.spans.iter().map(|span| span.rate).fold(0.0, f64::max)
    }

    /// When requests come, in order.
    pub fn arrivals(&self, seed: u64) -> Arrivals<'_> {
        Arrivals {
            load: self,
            random: Random::new(seed),
            span: 0,
            begin: 0.0,
            at: 0.0,
            number: 0,
        }
    }
}

impl Measures {
    /// A day when nothing else is said.
    pub const DAY: f64 = DAY_SECONDS;
}

/// The moments of a load; nothing is kept for any of them.
#[derive(Debug)]
pub struct Arrivals<'a> {
    load: &'a Load,
    random: Random,
    span: usize,
    /// Of the span, in seconds.
    begin: f64,
    /// Of the last request.
    at: f64,
    /// Of the next one in its span, where they are counted.
    number: u64,
}

impl Iterator for Arrivals<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let span = *self.load.spans.get(self.span)?;
            let end = self.begin + span.seconds;
            let next = match self.load.chance {
                _ if span.rate <= 0.0 => None,
                Chance::Independent => {
                    let next = self.at.max(self.begin) + self.random.gap(span.rate);
                    (next < end).then_some(next)
                }
                Chance::Counted => {
                    let all = (span.rate * span.seconds).round();
                    let place = (self.number as f64 + self.random.share()) / all;
                    ((self.number as f64) < all).then_some(self.begin + place * span.seconds)
                }
            };
            if let Some(next) = next {
                (self.at, self.number) = (next, self.number + 1);
                return Some(Duration::from_secs_f64(next));
            }
            (self.begin, self.span, self.number) = (end, self.span + 1, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURES: Measures = Measures {
        base: 10.0,
        peak: 100.0,
        seconds: 240.0,
    };

    #[test]
    fn shapes_have_their_length_their_peak_and_come_in_order() {
        for (name, load) in [
            ("step", Load::step(&MEASURES)),
            ("spike", Load::spike(&MEASURES)),
            ("sawtooth", Load::sawtooth(&MEASURES)),
            ("day", Load::day(&MEASURES)),
        ] {
            let length = load.length().as_secs_f64();
            assert!((length - 240.0).abs() < 1e-6, "{name}: {length}");
            assert!((98.0..=100.0).contains(&load.peak()), "{name}");
            let times: Vec<_> = load.arrivals(1).collect();
            assert!(times.is_sorted() && times.iter().all(|at| *at < load.length()));
            let (count, expected) = (times.len() as f64, load.requests());
            assert!((count / expected - 1.0).abs() < 0.05, "{name}: {count}");
        }
    }

    #[test]
    fn a_recorded_trace_is_played_count_by_count() {
        let load = Load::recorded("second,requests\n0,3\n\n2, 5\n").unwrap();
        let times: Vec<_> = load.arrivals(9).collect();
        let count = |second| times.iter().filter(|at| at.as_secs() == second).count();
        assert_eq!((count(0), count(1), count(2), times.len()), (3, 0, 5, 8));
        assert!(times.is_sorted());
        for (text, part) in [
            ("0,3\n1;4", "line 2: `1;4`"),
            ("", "no line"),
            ("1731888000,3", "begin at second 0"),
        ] {
            let error = Load::recorded(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
