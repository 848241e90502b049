//! When ticks are, in words for people: `at 06:30, Monday to Friday`.
//! Decides nothing; where an expression is too tangled for short words, they are long and still true.

use super::{cron::Cron, when::When};

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// More times of a day than these are told as minutes and hours.
const TIMES_MAX: usize = 4;
const UNITS_MS: [(u64, &str); 4] = [
    (86_400_000, "day"),
    (3_600_000, "hour"),
    (60_000, "minute"),
    (1_000, "second"),
];

impl When {
    /// In English, without the zone.
    pub fn said(&self) -> String {
        match self {
            Self::Every { every_ms, .. } => span(*every_ms),
            Self::Cron { cron, .. } => cron.said(),
        }
    }
}

fn span(ms: u64) -> String {
    let whole = UNITS_MS
        .into_iter()
        .find(|(unit, _)| ms.is_multiple_of(*unit));
    match whole.map(|(unit, name)| (ms / unit, name)) {
        Some((1, name)) => format!("every {name}"),
        Some((count, name)) => format!("every {count} {name}s"),
        None => format!("every {ms} milliseconds"),
    }
}

impl Cron {
    fn said(&self) -> String {
        let [minutes, hours] = [(self.minutes, 0..60), (self.hours, 0..24)].map(Values::of);
        let (time, once_or_so) = time(&minutes, &hours);
        let days = self.days_said();
        let months = Values::of((self.months, 1..13));
        let mut said = match (days.is_empty() && months.all, once_or_so) {
            (true, true) => format!("every day {time}"),
            _ => time,
        };
        if !days.is_empty() {
            said = format!("{said}, {days}");
        }
        if !months.all {
            let names = months.listed(|month| MONTHS[month as usize - 1].to_owned());
            said = format!("{said}, in {names}");
        }
        said
    }

    /// Empty when every day fits.
    fn days_said(&self) -> String {
        let days = Values::of((self.days, 1..32));
        // A week begins with Monday, except in cron.
        let mut weekdays = Values::of((self.weekdays, 0..7));
        weekdays.set.sort_by_key(|day| (day + 6) % 7);
        let of_month = match &*days.set {
            [day] => format!("on day {day} of the month"),
            _ => format!("on the days {} of the month", days.listed(plain)),
        };
        let of_week = weekdays.set.iter().map(|day| (day + 6) % 7);
        let name = |day: u32| WEEKDAYS[(day as usize + 1) % 7].to_owned();
        let of_week = listed(&of_week.collect::<Vec<_>>(), name);
        match (days.all, weekdays.all) {
            (true, true) => String::new(),
            (true, false) => of_week,
            (false, true) => of_month,
            (false, false) if self.any_day || self.any_weekday => {
                format!("{of_month} that are {of_week}")
            }
            (false, false) => format!("{of_month}, and {of_week}"),
        }
    }
}

/// The time of day, and whether that is a few clock times, which come every day.
fn time(minutes: &Values, hours: &Values) -> (String, bool) {
    let times = minutes.set.len() * hours.set.len();
    if times <= TIMES_MAX {
        let clock = |hour: &u32| {
            let hour = *hour;
            minutes
                .set
                .iter()
                .map(move |minute| format!("{hour:02}:{minute:02}"))
        };
        let clocks: Vec<String> = hours.set.iter().flat_map(clock).collect();
        return (format!("at {}", and(&clocks)), true);
    }
    let of_hours = || match hours.step {
        Some(step) => format!("every {step} hours"),
        None => format!("in the hours {}", hours.listed(plain)),
    };
    let said = match (&*minutes.set, hours.all) {
        ([0], true) => "every hour".to_owned(),
        ([minute], true) => format!("at minute {minute} of every hour"),
        ([0], false) => match hours.step {
            Some(step) => format!("every {step} hours"),
            None => format!("on the hour, {}", of_hours()),
        },
        ([minute], false) => format!("at minute {minute}, {}", of_hours()),
        (_, whole_day) => {
            let often = match (minutes.all, minutes.step) {
                (true, _) => "every minute".to_owned(),
                (_, Some(step)) => format!("every {step} minutes"),
                _ => format!("at the minutes {}", minutes.listed(plain)),
            };
            let bare = minutes.all || minutes.step.is_some();
            match (whole_day, bare) {
                (true, true) => often,
                (true, false) => format!("{often} of every hour"),
                (false, _) => format!("{often}, {}", of_hours()),
            }
        }
    };
    (said, false)
}

/// The values of a field that fit.
struct Values {
    set: Vec<u32>,
    all: bool,
    /// Every so many from the first to the last, again and again.
    step: Option<u32>,
}

impl Values {
    fn of((bits, range): (u64, std::ops::Range<u32>)) -> Self {
        let set: Vec<u32> = range
            .clone()
            .filter(|value| bits >> value & 1 == 1)
            .collect();
        let count = range.len() as u32;
        let even = |step: &u32| {
            set.iter()
                .copied()
                .eq(range.clone().step_by(*step as usize))
        };
        // A step that does not come out even starts anew: that is not every so many minutes.
        let step = (2..count / 2).find(|step| count.is_multiple_of(*step) && even(step));
        Self {
            all: set.len() == count as usize,
            step,
            set,
        }
    }

    fn listed(&self, name: impl Fn(u32) -> String) -> String {
        listed(&self.set, name)
    }
}

/// `1, 5 to 8 and 10`.
fn listed(values: &[u32], name: impl Fn(u32) -> String) -> String {
    let mut parts = Vec::new();
    for run in values.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, _, .., last] => parts.push(format!("{} to {}", name(*first), name(*last))),
            few => parts.extend(few.iter().map(|value| name(*value))),
        }
    }
    and(&parts)
}

fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn plain(value: u32) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use std::time::Duration;

    #[test]
    fn expressions_are_told_in_words() {
        for (text, said) in [
            ("30 6 * * mon-fri", "at 06:30, Monday to Friday"),
            ("0 9,18 * * *", "every day at 09:00 and 18:00"),
            ("@daily", "every day at 00:00"),
            ("@hourly", "every hour"),
            ("@weekly", "at 00:00, Sunday"),
            ("@monthly", "at 00:00, on day 1 of the month"),
            ("@yearly", "at 00:00, on day 1 of the month, in January"),
            ("* * * * *", "every minute"),
            ("*/15 * * * *", "every 15 minutes"),
            ("*/30 * * * *", "at the minutes 0 and 30 of every hour"),
            ("5 * * * *", "at minute 5 of every hour"),
            ("0 */2 * * *", "every 2 hours"),
            ("15 */2 * * *", "at minute 15, every 2 hours"),
            (
                "0 8-17 * * mon-fri",
                "on the hour, in the hours 8 to 17, Monday to Friday",
            ),
            ("*/15 8-17 * * *", "every 15 minutes, in the hours 8 to 17"),
            (
                "*/7 * * * *",
                "at the minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
            ),
            (
                "0 0 1,15 * *",
                "at 00:00, on the days 1 and 15 of the month",
            ),
            (
                "0 0 13 * fri",
                "at 00:00, on day 13 of the month, and Friday",
            ),
            ("0 0 * * sat,sun", "at 00:00, Saturday and Sunday"),
            ("0 0 * 6-8,12 *", "at 00:00, in June to August and December"),
        ] {
            let cron: Cron = text.parse().unwrap();
            assert_eq!(cron.said(), said, "{text}");
        }
    }

    #[test]
    fn spans_are_told_in_words() {
        for (seconds, said) in [
            (1, "every second"),
            (90, "every 90 seconds"),
            (3_600, "every hour"),
            (7 * 86_400, "every 7 days"),
        ] {
            let when = When::every(Duration::from_secs(seconds), Timestamp(0)).unwrap();
            assert_eq!(when.said(), said);
        }
    }
}
