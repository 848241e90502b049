//! Webhooks: where somebody wants to be told of a job, the messages on their way, and what becomes of one that does not arrive.
//! Pure; sends nothing.

use crate::{
    Id, Timestamp,
    job::{Job, JobState},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Tries of one message before it is dead.
const TRIES_MAX: u32 = 10;
/// Base of the exponential wait between tries, and its cap: ten tries take about two hours.
const WAIT_BASE_MS: u64 = 5_000;
const WAIT_MS_MAX: u64 = 3_600_000;
/// What a receiver answers that does not want to hear of it any more.
const GONE: u16 = 410;

/// What a webhook is told of, in Replicate's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEvent {
    /// The first run has begun.
    Start,
    /// The job has ended, however.
    Completed,
}

impl WebhookEvent {
    pub const ALL: [Self; 2] = [Self::Start, Self::Completed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Completed => "completed",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }

    /// Messages of one job arrive in the order of these.
    pub fn number(self) -> u32 {
        self as u32 + 1
    }
}

/// Where a job's news go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub url: String,
    pub events: Vec<WebhookEvent>,
}

impl Webhook {
    /// The message about something that happened `at` then, when it is wanted.
    fn message(&self, job: &Id, event: WebhookEvent, at: Timestamp) -> Option<Message> {
        self.events.contains(&event).then(|| Message {
            job: job.clone(),
            event,
            url: self.url.clone(),
            created_at: at,
            tries: 0,
            not_before: at,
            failure: None,
        })
    }

    /// The message about the end of a job of which nothing else is known.
    pub fn of_end(&self, job: &Id, at: Timestamp) -> Option<Message> {
        self.message(job, WebhookEvent::Completed, at)
    }
}

/// A message to be sent, written in the commit that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub job: Id,
    pub event: WebhookEvent,
    pub url: String,
    pub created_at: Timestamp,
    /// Times it was taken to be sent.
    pub tries: u32,
    /// Not to be taken earlier.
    pub not_before: Timestamp,
    /// How the last try ended, when it was in vain.
    pub failure: Option<String>,
}

/// What becomes of a message that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrived,
    Again { not_before: Timestamp },
    Dead,
}

/// What a move of a job is worth telling to whom it wants told.
pub fn news(before: &JobState, after: &Job) -> Option<Message> {
    let (event, at) = match (before, &after.state) {
        (JobState::Queued { .. }, JobState::Running { .. }) if after.run == 1 => {
            (WebhookEvent::Start, after.started_at)
        }
        (before, state) if !before.is_final() && state.is_final() => {
            (WebhookEvent::Completed, state.completed_at())
        }
        _ => return None,
    };
    let webhook = after.webhook.as_ref()?;
    let at = at.unwrap_or(after.created_at);
    webhook.message(&after.id, event, at)
}

/// Decides after a try: `status` is what the receiver answered, none when nothing came. `jitter` is uniform in 0..1.
pub fn after_try(tries: u32, status: Option<u16>, jitter: f64, now: Timestamp) -> Fate {
    match status {
        Some(200..=299) => Fate::Arrived,
        Some(GONE) => Fate::Dead,
        _ if tries >= TRIES_MAX => Fate::Dead,
        _ => {
            let most = WAIT_BASE_MS
                .saturating_mul(1 << tries.saturating_sub(1).min(20))
                .min(WAIT_MS_MAX);
            let wait = most as f64 * (0.5 + jitter.clamp(0.0, 1.0) / 2.0);
            Fate::Again {
                not_before: now.plus(Duration::from_millis(wait as u64)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_further_and_further_apart_and_end() {
        let now = Timestamp(1_000);
        let wait = |tries, jitter| match after_try(tries, Some(500), jitter, now) {
            Fate::Again { not_before } => not_before.0 - now.0,
            fate => panic!("{fate:?}"),
        };
        assert_eq!(
            [wait(1, 1.0), wait(2, 1.0), wait(9, 1.0)],
            [5_000, 10_000, 1_280_000]
        );
        assert_eq!(wait(1, 0.0), 2_500);
        assert_eq!(after_try(TRIES_MAX, None, 1.0, now), Fate::Dead);
        assert_eq!(after_try(1, Some(410), 1.0, now), Fate::Dead);
        assert_eq!(after_try(9, Some(204), 1.0, now), Fate::Arrived);
        assert!(matches!(
            after_try(1, Some(302), 1.0, now),
            Fate::Again { .. }
        ));
    }

    #[test]
    fn every_word_reads_back() {
        for event in WebhookEvent::ALL {
            assert_eq!(WebhookEvent::parse(event.name()), Some(event));
        }
        assert!(WebhookEvent::Start.number() < WebhookEvent::Completed.number());
    }
}
