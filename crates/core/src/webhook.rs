//! Webhooks: where somebody wants to be told of a job, the messages on their way, and what becomes of one that does not arrive.
//! Pure; sends nothing.

use crate::{
    Id, Timestamp,
    event::EventKind,
    job::{Job, JobState},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// Tries of one message before it is dead.
const TRIES_MAX: u32 = 10;
/// Base of the exponential wait between tries, and its cap: ten tries take about two hours.
const WAIT_BASE_MS: u64 = 5_000;
const WAIT_MS_MAX: u64 = 3_600_000;
/// What a receiver answers that does not want to hear of it any more.
const GONE: u16 = 410;
/// What a job says meanwhile is told at most this often, all of it in one message.
pub const GATHERED: Duration = Duration::from_millis(500);

/// What a webhook is told of, in Replicate's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEvent {
    /// The first run has begun.
    Start,
    /// Pieces of a streamed output have come.
    Output,
    /// Lines have been printed.
    Logs,
    /// The job has ended, however.
    Completed,
}

impl WebhookEvent {
    pub const ALL: [Self; 4] = [Self::Start, Self::Output, Self::Logs, Self::Completed];
    /// What is told of a job of many rows, unless more is asked for.
    pub const ENDS: [Self; 2] = [Self::Start, Self::Completed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Output => "output",
            Self::Logs => "logs",
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

    /// Whether it is told while the job goes on. What comes later brings all of it again, so that it is tried once.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Output | Self::Logs)
    }

    /// What an event of the job's log is told as.
    fn of(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Output => Some(Self::Output),
            EventKind::Log => Some(Self::Logs),
            _ => None,
        }
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

    /// The messages about what a job that goes on has said: at most one of each kind, sent when more had time to come.
    pub fn of_said(
        &self,
        job: &Id,
        kinds: impl IntoIterator<Item = EventKind>,
        at: Timestamp,
    ) -> Vec<Message> {
        let said: BTreeSet<WebhookEvent> = kinds.into_iter().filter_map(WebhookEvent::of).collect();
        let wanted = said
            .into_iter()
            .filter_map(|event| self.message(job, event, at));
        wanted
            .map(|message| Message {
                not_before: at.plus(GATHERED),
                ..message
            })
            .collect()
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
    /// When that happened; of what is told while the job goes on, the last of it.
    pub created_at: Timestamp,
    /// Times it was taken to be sent.
    pub tries: u32,
    /// Not to be taken earlier.
    pub not_before: Timestamp,
    /// How the last try ended, when it was in vain.
    pub failure: Option<String>,
}

impl Message {
    /// Whether later messages of its job wait for it. One that gathers waits for nobody's sake.
    pub fn holds_up(&self) -> bool {
        !self.event.is_passing() || self.tries > 0
    }

    /// Whether it need not be sent any more: the end of the job brings it.
    pub fn is_overtaken(&self, job: &Job) -> bool {
        self.event.is_passing() && job.state.is_final()
    }
}

/// What becomes of a message that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrived,
    /// It is not missed: what comes later brings it.
    Dropped,
    Again {
        not_before: Timestamp,
    },
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
pub fn after_try(message: &Message, status: Option<u16>, jitter: f64, now: Timestamp) -> Fate {
    let tries = message.tries;
    match status {
        Some(200..=299) => Fate::Arrived,
        _ if message.event.is_passing() => Fate::Dropped,
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

    fn message(event: WebhookEvent, tries: u32) -> Message {
        Message {
            job: "job-00001".parse().unwrap(),
            event,
            url: String::new(),
            created_at: Timestamp(0),
            tries,
            not_before: Timestamp(0),
            failure: None,
        }
    }

    #[test]
    fn tries_come_further_and_further_apart_and_end() {
        let now = Timestamp(1_000);
        let of = |tries, status, jitter| {
            after_try(&message(WebhookEvent::Start, tries), status, jitter, now)
        };
        let wait = |tries, jitter| match of(tries, Some(500), jitter) {
            Fate::Again { not_before } => not_before.0 - now.0,
            fate => panic!("{fate:?}"),
        };
        assert_eq!(
            [wait(1, 1.0), wait(2, 1.0), wait(9, 1.0)],
            [5_000, 10_000, 1_280_000]
        );
        assert_eq!(wait(1, 0.0), 2_500);
        assert_eq!(of(TRIES_MAX, None, 1.0), Fate::Dead);
        assert_eq!(of(1, Some(410), 1.0), Fate::Dead);
        assert_eq!(of(9, Some(204), 1.0), Fate::Arrived);
        assert!(matches!(of(1, Some(302), 1.0), Fate::Again { .. }));
    }

    #[test]
    fn what_is_told_meanwhile_is_tried_once() {
        let of = |event, status| after_try(&message(event, 1), status, 1.0, Timestamp(0));
        assert_eq!(of(WebhookEvent::Logs, None), Fate::Dropped);
        assert_eq!(of(WebhookEvent::Output, Some(410)), Fate::Dropped);
        assert_eq!(of(WebhookEvent::Output, Some(200)), Fate::Arrived);
        assert!(!message(WebhookEvent::Logs, 0).holds_up());
        assert!(message(WebhookEvent::Logs, 1).holds_up());
        assert!(message(WebhookEvent::Start, 0).holds_up());
    }

    #[test]
    fn what_is_said_is_one_message_of_each_kind_that_is_wanted() {
        let said = [
            EventKind::Log,
            EventKind::Phase,
            EventKind::Output,
            EventKind::Log,
        ];
        let told = |events: &[WebhookEvent]| {
            let hook = Webhook {
                url: String::new(),
                events: events.to_vec(),
            };
            let told = hook.of_said(&"job-00001".parse().unwrap(), said, Timestamp(7));
            told.iter()
                .map(|message| (message.event, message.created_at.0, message.not_before.0))
                .collect::<Vec<_>>()
        };
        let both = [(WebhookEvent::Output, 7, 507), (WebhookEvent::Logs, 7, 507)];
        assert_eq!(told(&WebhookEvent::ALL), both);
        assert_eq!(told(&[WebhookEvent::Logs]), both[1..]);
        assert_eq!(told(&WebhookEvent::ENDS), []);
    }

    #[test]
    fn every_word_reads_back() {
        for event in WebhookEvent::ALL {
            assert_eq!(WebhookEvent::parse(event.name()), Some(event));
        }
        assert!(WebhookEvent::Start.number() < WebhookEvent::Completed.number());
    }
}
