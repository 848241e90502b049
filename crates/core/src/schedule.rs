//! Schedules: a job that is made again at every tick, and the rules for what becomes of a tick.
//! Does not make jobs.

mod cron;
pub mod folder;
mod when;
mod words;
mod zone;

#[cfg(test)]
mod tests;

pub use cron::Cron;
pub use when::{EVERY_MAX, EVERY_MIN, When};
pub use zone::Zone;

use crate::{Id, ModelName, Timestamp, job::JobKind, people::Principal};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Schedules of one model.
pub const SCHEDULES_MAX: u32 = 100;
/// JSON of what is asked for at each tick.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;
/// A tick that is so much too late was missed: nothing ran when it came.
const LATE: Duration = Duration::from_secs(60);

/// A schedule as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub id: Id,
    pub model: ModelName,
    /// What `[schedules]` of the model's folder calls it; none when it was made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub kind: JobKind,
    /// Of the model, as it was written: a number, an id or an alias, looked up at every tick; the live one when there is none.
    pub version: Option<String>,
    /// JSON text, as the route takes it that makes such jobs.
    pub request: String,
    pub when: When,
    /// Whether the newest of the ticks that were missed while nothing ran is made up for.
    pub catch_up: bool,
    pub overlap: Overlap,
    /// Whose the jobs are.
    pub by: Principal,
    /// Made with a token, which must still be there at every tick.
    pub by_token: bool,
    pub created_at: Timestamp,
    pub pace: Pace,
    /// The tick before.
    pub last: Option<Tick>,
    /// The job of the last tick that made one.
    pub last_job: Option<Id>,
    /// +1 at every change of this record: what a compare-and-set compares.
    pub revision: u64,
}

/// What happens at a tick while the job of the one before still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// Nothing.
    Skip,
    /// Another job is made.
    Queue,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pace", rename_all = "lowercase")]
pub enum Pace {
    Going {
        next_at: Timestamp,
        /// Until then a front is at it, or it is too early to try again.
        held_until: Option<Timestamp>,
    },
    Paused {
        /// None when somebody asked for it.
        why: Option<String>,
    },
}

/// A point in time at which a schedule came due, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    pub at: Timestamp,
    pub fate: TickFate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "lowercase")]
pub enum TickFate {
    Made {
        job: Id,
    },
    Skipped {
        why: Skipped,
    },
    /// No job was made, and none will be for this tick.
    Refused {
        error: String,
    },
    /// Whoever made the schedule may not have such jobs any more: it is paused.
    Denied {
        error: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skipped {
    /// Nothing ran when it came, and it is not made up for.
    Missed,
    /// The job before still ran.
    Overlap,
}

/// What is to be done about a schedule now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Rest,
    Make { tick: Timestamp },
    Skip { tick: Timestamp, why: Skipped },
}

impl Schedule {
    /// When somebody has to look at it again.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.pace {
            Pace::Going {
                next_at,
                held_until,
            } => Some(held_until.map_or(*next_at, |held| held.max(*next_at))),
            Pace::Paused { .. } => None,
        }
    }

    pub fn next_at(&self) -> Option<Timestamp> {
        match &self.pace {
            Pace::Going { next_at, .. } => Some(*next_at),
            Pace::Paused { .. } => None,
        }
    }

    /// `last_job_is_open`: the job of the last tick that made one has not ended.
    pub fn step(&self, last_job_is_open: bool, now: Timestamp) -> Step {
        let due = self.due_at().is_some_and(|due| due <= now);
        let Some(next_at) = self.next_at().filter(|_| due) else {
            return Step::Rest;
        };
        let tick = self.when.newest(next_at, now);
        if !self.catch_up && now.since(tick) > LATE {
            let why = Skipped::Missed;
            return Step::Skip { tick, why };
        }
        if self.overlap == Overlap::Skip && last_job_is_open {
            let why = Skipped::Overlap;
            return Step::Skip { tick, why };
        }
        Step::Make { tick }
    }

    /// Nobody else looks at it for a while.
    pub fn hold(&mut self, until: Timestamp) {
        if let Pace::Going { held_until, .. } = &mut self.pace {
            *held_until = Some(until);
        }
    }

    /// Notes what became of a tick; the next one is the first that comes after it, unless that was changed meanwhile.
    pub fn settle(&mut self, at: Timestamp, fate: TickFate) {
        if let Pace::Going { next_at, .. } = self.pace {
            match next_at <= at {
                true => self.go_on_after(at),
                false => {
                    self.pace = Pace::Going {
                        next_at,
                        held_until: None,
                    }
                }
            }
        }
        match &fate {
            TickFate::Made { job } => self.last_job = Some(job.clone()),
            TickFate::Denied { error } => {
                self.pace = Pace::Paused {
                    why: Some(error.clone()),
                };
            }
            TickFate::Skipped { .. } | TickFate::Refused { .. } => {}
        }
        self.last = Some(Tick { at, fate });
    }

    /// The next tick is the first after a time; ticks before it are not made up for.
    pub fn go_on_after(&mut self, time: Timestamp) {
        self.pace = match self.when.after(time) {
            Some(next_at) => Pace::Going {
                next_at,
                held_until: None,
            },
            None => Pace::Paused {
                why: Some("no tick comes any more".to_owned()),
            },
        };
    }
}

/// What one tick's job is known by, whoever makes it: made twice, it is the same job.
pub fn tick_key(schedule: &Id, tick: Timestamp) -> String {
    format!("schedule/{schedule}/{}", tick.0)
}
