//! What somebody who waits is told: how many are before, how long it will take, what the workers are doing.
//! Does not know how it is shown.

use super::{Inside, Pool};
use crate::{ask::Readiness, gauges::PoolGauges, ticket::Entry};
use onstage_core::outcome::Phase;
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// The place of one prediction that waits.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub phase: Phase,
    pub text: String,
    pub ahead: Option<u32>,
    pub eta_s: Option<f64>,
}

impl Pool {
    pub(crate) fn place_of(&self, entry: &Entry) -> Place {
        let inside = self.inside();
        let ahead = inside
            .queue
            .ahead_of(super::caller_of(&entry.by), entry.number);
        let loading = inside.loading_time();
        let work =
            inside
                .service
                .time_for(ahead + 1, self.wish.shape.many_max, inside.roster.ready());
        let eta_s = match (loading, work) {
            (Some(loading), Some(work)) => Some((loading + work).as_secs_f64()),
            (Some(time), None) | (None, Some(time)) => Some(time.as_secs_f64()),
            (None, None) => None,
        };
        let (phase, text) = inside.words(ahead);
        Place {
            phase,
            text,
            ahead: Some(ahead as u32),
            eta_s,
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        let inside = self.inside();
        let workers = inside.roster.ready() as u32;
        let (state, text) = if workers > 0 {
            ("ready", String::new())
        } else if inside.roster.starting() > 0 || inside.lacks.is_some() {
            ("starting", inside.words(0).1)
        } else if let Some(failure) = &inside.last_failure {
            ("failed", failure.message.clone())
        } else {
            ("asleep", inside.asleep())
        };
        Readiness {
            state,
            workers,
            text,
        }
    }

    pub(crate) fn gauges(&self) -> PoolGauges {
        let inside = self.inside();
        let queued = inside.queue.len() as u32;
        let workers = inside.roster.counts();
        drop(inside);
        let tally = &self.tally;
        PoolGauges {
            model: self.loaded.model.clone(),
            version: self.loaded.version.id.clone(),
            version_number: self.loaded.version.number,
            live: self.live.load(Relaxed),
            queued,
            in_flight: (tally.open() as u32).saturating_sub(queued),
            workers,
            answers: tally.answers(),
            refused: tally.refused.load(Relaxed),
            starts: tally.starts.load(Relaxed),
            deaths: tally.deaths.load(Relaxed),
            strays: tally.strays.load(Relaxed),
            microbatches: tally.microbatches.load(Relaxed),
            predict_seconds: tally.predict.read(),
            queue_seconds: tally.queue.read(),
        }
    }
}

impl Inside {
    /// How long the next worker takes to load, when none is ready.
    fn loading_time(&self) -> Option<Duration> {
        if self.roster.ready() > 0 {
            return None;
        }
        self.service.startup_time()
    }

    fn words(&self, ahead: usize) -> (Phase, String) {
        if self.roster.ready() > 0 {
            let text = match ahead {
                0 => "next in the queue".to_owned(),
                1 => "1 before it".to_owned(),
                ahead => format!("{ahead} before it"),
            };
            return (Phase::Queued, text);
        }
        if let Some(lacks) = self.lacks.as_ref().filter(|_| self.roster.starting() == 0) {
            return (Phase::Queued, lacks.clone());
        }
        let (phase, doing) = match &self.starting_text {
            Some((phase, text)) => (*phase, text.as_str()),
            None => (Phase::Loading, "loading"),
        };
        let text = match self.service.startup_time() {
            Some(time) if phase == Phase::Loading => format!("{doing}, about {}", about(time)),
            _ => doing.to_owned(),
        };
        (phase, text)
    }

    fn asleep(&self) -> String {
        match self.service.startup_time() {
            Some(time) => format!("asleep; the first answer takes about {}", about(time)),
            None => "asleep; the first request wakes it".to_owned(),
        }
    }
}

fn about(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => "1 s".to_owned(),
        seconds if seconds < 90.0 => format!("{} s", seconds.round()),
        seconds => format!("{} min", (seconds / 60.0).round()),
    }
}
