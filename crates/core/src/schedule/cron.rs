//! Cron expressions of five fields, and the civil times they fit.
//! Knows no time zone.

use crate::{Error, Result};
use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A day that comes at all comes within this: the 29th of February does, around a century without one.
const YEARS_MAX: i16 = 9;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// `minute hour day month weekday`, each `*`, a number or a name, a range `1-5`, a step `*/15`, or a list of these; or one word
/// such as `@daily`. Of day and weekday, when both are told, one has to fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    /// A bit for each value that fits.
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: u64,
    pub(super) months: u64,
    pub(super) weekdays: u64,
    pub(super) any_day: bool,
    pub(super) any_weekday: bool,
}

/// A field: what it is called, its values and their names.
struct Field {
    what: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        what: "minute",
        least: 0,
        most: 59,
        names: &[],
    },
    Field {
        what: "hour",
        least: 0,
        most: 23,
        names: &[],
    },
    Field {
        what: "day",
        least: 1,
        most: 31,
        names: &[],
    },
    Field {
        what: "month",
        least: 1,
        most: 12,
        names: &MONTHS,
    },
    // 7 is Sunday as well.
    Field {
        what: "weekday",
        least: 0,
        most: 7,
        names: &WEEKDAYS,
    },
];

impl Cron {
    /// Whether every hour fits, so that nothing depends on what the hour is called.
    pub(super) fn any_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    pub(super) fn fits(&self, at: DateTime) -> bool {
        self.fits_day(at.date()) && has(self.hours, at.hour()) && has(self.minutes, at.minute())
    }

    pub(super) fn fits_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let fits = if self.any_day || self.any_weekday {
            day && weekday
        } else {
            day || weekday
        };
        fits && has(self.months, date.month())
    }

    /// The first day that fits, not before this one.
    pub(super) fn day_from(&self, from: Date) -> Option<Date> {
        let mut date = from;
        while date.year() - from.year() <= YEARS_MAX {
            if self.fits_day(date) {
                return Some(date);
            }
            date = match has(self.months, date.month()) {
                true => date.tomorrow().ok()?,
                false => date.last_of_month().tomorrow().ok()?,
            };
        }
        None
    }

    /// The first minute that fits, not before this one.
    pub(super) fn minute_from(&self, from: DateTime) -> Option<DateTime> {
        let mut date = self.day_from(from.date())?;
        let mut least = match date == from.date() {
            true => (from.hour(), from.minute()),
            false => (0, 0),
        };
        loop {
            for hour in (least.0..24).filter(|hour| has(self.hours, *hour)) {
                let minutes = if hour == least.0 { least.1 } else { 0 };
                if let Some(minute) = (minutes..60).find(|minute| has(self.minutes, *minute)) {
                    return Some(date.to_datetime(Time::constant(hour, minute, 0, 0)));
                }
            }
            date = self.day_from(date.tomorrow().ok()?)?;
            least = (0, 0);
        }
    }
}

fn has(bits: u64, value: i8) -> bool {
    bits >> value & 1 == 1
}

impl FromStr for Cron {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fields = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            fields => fields,
        };
        let words: Vec<&str> = fields.split_whitespace().collect();
        let words: [&str; 5] = words.try_into().map_err(|words: Vec<&str>| {
            wrong(text, &format!("it has {} fields and not five", words.len()))
        })?;
        let mut bits = [0_u64; 5];
        for ((field, word), bits) in FIELDS.iter().zip(words).zip(&mut bits) {
            *bits = field.read(word).map_err(|why| wrong(text, &why))?;
        }
        let [minutes, hours, days, months, weekdays] = bits;
        let cron = Self {
            text: words.join(" "),
            minutes,
            hours,
            days,
            months,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            any_day: words[2].starts_with('*'),
            any_weekday: words[4].starts_with('*'),
        };
        match cron.day_from(Date::constant(2000, 1, 1)) {
            Some(_) => Ok(cron),
            None => Err(wrong(text, "there is no such day")),
        }
    }
}

impl Field {
    /// The bits of `1-5,10,*/20`.
    fn read(&self, word: &str) -> Result<u64, String> {
        let mut bits = 0;
        for part in word.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most),
                Some((first, last)) => (self.value(first)?, self.value(last)?),
                // From there on, where a step is told.
                None if step.is_some() => (self.value(range)?, self.most),
                None => (self.value(range)?, self.value(range)?),
            };
            let step = step.map_or(Some(1), |step| {
                step.parse::<usize>().ok().filter(|step| *step > 0)
            });
            let step = step.ok_or_else(|| format!("`{part}` has no step of 1 or more"))?;
            if first > last {
                return Err(format!("`{range}` ends before it begins"));
            }
            for value in (first..=last).step_by(step) {
                bits |= 1 << value;
            }
        }
        Ok(bits)
    }

    fn value(&self, word: &str) -> Result<u32, String> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(word));
        if let Some(place) = named {
            return Ok(place as u32 + self.least);
        }
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        word.parse()
            .ok()
            .filter(|value| digits && (self.least..=self.most).contains(value))
            .ok_or_else(|| {
                format!(
                    "`{word}` is no {}: {} to {}",
                    self.what, self.least, self.most
                )
            })
    }
}

fn wrong(text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::invalid(format!("cron expression `{shown}` cannot be read: {why}")).hint(
        "write minute, hour, day, month and weekday, like `30 6 * * mon-fri` for half past six on weekdays",
    )
}

impl TryFrom<String> for Cron {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
