//! When the ticks of a schedule are.
//! Pure: ticks are points in time that follow from the words alone, so that whoever asks gets the same.

use super::{
    cron::Cron,
    zone::{Rules, Zone},
};
use crate::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Steps of time in which the newest of many past ticks is looked for, shortest first.
const LOOKS_BACK_MS: [i64; 4] = [HOUR_MS, DAY_MS, 31 * DAY_MS, 366 * DAY_MS];
/// The shortest and the longest time between two ticks of `every`.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
pub const EVERY_MAX: Duration = Duration::from_secs(366 * 86_400);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum When {
    /// Counted from `start`.
    Every { every_ms: u64, start: Timestamp },
    /// What the clocks of a zone show. A tick in the hour that is skipped in spring is when the clocks jump, one in the hour that
    /// comes twice in autumn is in the first; an expression for every hour goes by true hours.
    Cron { cron: Cron, zone: Zone },
}

impl When {
    /// Errors: invalid, too short or too long.
    pub fn every(every: Duration, start: Timestamp) -> Result<Self> {
        if !(EVERY_MIN..=EVERY_MAX).contains(&every) {
            return Err(Error::invalid("`every` is a time from `1s` to `366d`"));
        }
        Ok(Self::Every {
            every_ms: every.as_millis() as u64,
            start,
        })
    }

    /// The first tick after a time; none when there is none any more.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { every_ms, start } => {
                let every = i64::try_from(*every_ms).ok()?.max(1);
                let passed = time.0.checked_sub(start.0)?.div_euclid(every);
                Some(Timestamp(
                    start.0.checked_add((passed + 1).checked_mul(every)?)?,
                ))
            }
            Self::Cron { cron, zone } => after(cron, &zone.rules(), time),
        }
    }

    /// The newest tick that is not after `now`, where `due` is one of them.
    pub fn newest(&self, due: Timestamp, now: Timestamp) -> Timestamp {
        let looks = LOOKS_BACK_MS.map(|back| Timestamp(now.0.saturating_sub(back)));
        let found = looks.into_iter().find_map(|from| {
            let mut newest = self.after(from).filter(|tick| from > due && *tick <= now)?;
            while let Some(tick) = self.after(newest).filter(|tick| *tick <= now) {
                newest = tick;
            }
            Some(newest)
        });
        let mut newest = found.unwrap_or(due);
        while let Some(tick) = self.after(newest).filter(|tick| *tick <= now) {
            newest = tick;
        }
        newest
    }
}

fn after(cron: &Cron, rules: &Rules, time: Timestamp) -> Option<Timestamp> {
    match cron.any_hour() {
        true => after_by_minutes(cron, rules, time),
        false => after_by_clock(cron, rules, time),
    }
}

/// Goes by what the clock shows. The first moment at which it shows something never comes before that of an earlier reading, so
/// the first that is later than `time` is the next tick.
fn after_by_clock(cron: &Cron, rules: &Rules, time: Timestamp) -> Option<Timestamp> {
    let mut clock = rules.clock(Timestamp(floor(time.0)))?;
    loop {
        clock = cron.minute_from(clock)?;
        let tick = rules.when(clock)?;
        if tick > time {
            return Some(tick);
        }
        clock = clock.checked_add(jiff::SignedDuration::from_mins(1)).ok()?;
    }
}

/// Goes by true minutes, of which the clock may show some twice and others never.
fn after_by_minutes(cron: &Cron, rules: &Rules, time: Timestamp) -> Option<Timestamp> {
    let mut at = Timestamp(floor(time.0).checked_add(MINUTE_MS)?);
    loop {
        let clock = rules.clock(at)?;
        let day = cron.day_from(clock.date())?;
        if day != clock.date() {
            // Midnight may be jumped over, and a day begins a little later.
            at = rules
                .when(day.to_datetime(jiff::civil::Time::midnight()))?
                .max(Timestamp(at.0 + MINUTE_MS));
        } else if cron.fits(clock) {
            return Some(at);
        } else {
            at = Timestamp(at.0.checked_add(MINUTE_MS)?);
        }
    }
}

fn floor(ms: i64) -> i64 {
    ms.div_euclid(MINUTE_MS) * MINUTE_MS
}
