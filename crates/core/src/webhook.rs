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
/// Of one about what goes on; after that nothing more of its kind is told of the job.
const PASSING_TRIES_MAX: u32 = 4;
/// Base of the exponential wait between tries, and its cap: ten tries take about two hours.
const WAIT_BASE_MS: u64 = 5_000;
const WAIT_MS_MAX: u64 = 3_600_000;
/// What a receiver answers that does not want to hear of it any more.
const GONE: u16 = 410;
/// What a job says meanwhile is told at most this often, all of it in one message; of one that goes on for hours, less often.
const GATHERED: Duration = Duration::from_millis(500);
const GATHERED_MAX: Duration = Duration::from_secs(60);
/// Of the time since the job was first started.
const GATHERED_SHARE: u32 = 100;

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

    /// Whether it is told while the job goes on. It tells all there is when it is sent, and nothing once the job has ended.
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
    /// Whether the owner asked for it, who sees what others do not.
    #[serde(default)]
    pub for_owner: bool,
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
        started_at: Option<Timestamp>,
        kinds: impl IntoIterator<Item = EventKind>,
        at: Timestamp,
    ) -> Vec<Message> {
        let said: BTreeSet<WebhookEvent> = kinds.into_iter().filter_map(WebhookEvent::of).collect();
        let wanted = said
            .into_iter()
            .filter_map(|event| self.message(job, event, at));
        wanted
            .map(|message| Message {
                not_before: gathered_until(started_at, at),
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
    /// Whether later messages of its job wait for it. What is told meanwhile does so only on its first way: one that gathers, or whose
    /// receiver was away, keeps the end of the job from nobody.
    pub fn holds_up(&self) -> bool {
        !self.event.is_passing() || (self.tries > 0 && self.failure.is_none())
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
    /// Nobody needs it any more: the job has ended, and that is told.
    Dropped,
    Again {
        not_before: Timestamp,
    },
    Dead,
}

/// Until when it waits for more what was said `at` then.
pub fn gathered_until(started_at: Option<Timestamp>, at: Timestamp) -> Timestamp {
    let since = started_at.map_or(Duration::ZERO, |started_at| at.since(started_at));
    at.plus((since / GATHERED_SHARE).clamp(GATHERED, GATHERED_MAX))
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
        Some(GONE) => Fate::Dead,
        _ if message.event.is_passing() && tries >= PASSING_TRIES_MAX => Fate::Dead,
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
    fn what_is_told_meanwhile_is_given_up_sooner_and_holds_up_nothing() {
        let of = |tries, status| {
            let message = message(WebhookEvent::Logs, tries);
            after_try(&message, status, 1.0, Timestamp(0))
        };
        assert!(matches!(of(1, None), Fate::Again { .. }));
        assert_eq!(of(PASSING_TRIES_MAX, None), Fate::Dead);
        assert_eq!(of(1, Some(410)), Fate::Dead);
        assert_eq!(of(1, Some(200)), Fate::Arrived);
        assert!(!message(WebhookEvent::Logs, 0).holds_up());
        assert!(message(WebhookEvent::Logs, 1).holds_up());
        let failed = Message {
            failure: Some("500".to_owned()),
            ..message(WebhookEvent::Logs, 1)
        };
        assert!(!failed.holds_up());
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
        let told = |events: &[WebhookEvent], at| {
            let hook = Webhook {
                url: String::new(),
                events: events.to_vec(),
                for_owner: false,
            };
            let told = hook.of_said(
                &"job-00001".parse().unwrap(),
                Some(Timestamp(0)),
                said,
                Timestamp(at),
            );
            told.iter()
                .map(|message| (message.event, message.created_at.0, message.not_before.0))
                .collect::<Vec<_>>()
        };
        let both = [(WebhookEvent::Output, 7, 507), (WebhookEvent::Logs, 7, 507)];
        assert_eq!(told(&WebhookEvent::ALL, 7), both);
        assert_eq!(told(&[WebhookEvent::Logs], 7), both[1..]);
        assert_eq!(told(&WebhookEvent::ENDS, 7), []);
        let hours = told(&[WebhookEvent::Logs], 3_600_000);
        assert_eq!(hours[0].2, 3_636_000, "less often after an hour");
        assert_eq!(told(&[WebhookEvent::Logs], 86_400_000)[0].2, 86_460_000);
    }

    #[test]
    fn every_word_reads_back() {
        for event in WebhookEvent::ALL {
            assert_eq!(WebhookEvent::parse(event.name()), Some(event));
        }
        assert!(WebhookEvent::Start.number() < WebhookEvent::Completed.number());
    }
}
