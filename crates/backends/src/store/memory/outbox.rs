//! Messages on their way to webhooks, in memory.
//! Must not decide when a message is tried again.

use super::{MemoryStore, State};
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result, Timestamp,
    event::NewEvent,
    job::JobState,
    ports::{Cursor, Listed, Outbox, Page},
    webhook::{Fate, Message, WebhookEvent, gathered_until, news},
};
use std::collections::BTreeMap;

/// Of each job in the order in which they arrive.
pub(super) type Messages = BTreeMap<(Id, u32), Kept>;

pub(super) struct Kept {
    message: Message,
    dead: bool,
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn take_messages(
        &self,
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Message>> {
        let mut state = self.lock();
        let mut held_up: BTreeMap<Id, u32> = BTreeMap::new();
        for ((job, number), kept) in &state.messages {
            if !kept.dead && kept.message.holds_up() {
                held_up.entry(job.clone()).or_insert(*number);
            }
        }
        let mut due: Vec<&mut Kept> = state
            .messages
            .iter_mut()
            .filter(|((job, number), _)| held_up.get(job).is_none_or(|by| number <= by))
            .map(|(_, kept)| kept)
            .filter(|kept| !kept.dead && kept.message.not_before <= now)
            .collect();
        due.sort_by(|a, b| place(&a.message).cmp(&place(&b.message)));
        due.truncate(limit as usize);
        let taken = due.into_iter().map(|kept| {
            kept.message.tries += 1;
            kept.message.not_before = until;
            kept.message.clone()
        });
        Ok(taken.collect())
    }

    async fn settle_message(
        &self,
        message: &Message,
        fate: Fate,
        failure: Option<String>,
    ) -> Result<()> {
        let mut state = self.lock();
        let place = (message.job.clone(), message.event.number());
        let started_at = state.jobs.get(&message.job).and_then(|job| job.started_at);
        let kept = state.messages.get_mut(&place);
        let Some(kept) = kept.filter(|kept| !kept.dead && kept.message.tries == message.tries)
        else {
            return Err(taken_by_another(message));
        };
        match fate {
            // More was said meanwhile.
            Fate::Arrived | Fate::Dropped if kept.message.created_at != message.created_at => {
                kept.message.tries = 0;
                kept.message.failure = None;
                kept.message.not_before = gathered_until(started_at, kept.message.created_at);
            }
            Fate::Arrived | Fate::Dropped => {
                state.messages.remove(&place);
            }
            Fate::Again { not_before } => {
                (kept.message.not_before, kept.message.failure) = (not_before, failure);
            }
            Fate::Dead => (kept.dead, kept.message.failure) = (true, failure),
        }
        Ok(())
    }

    async fn dead_messages(&self, page: Page) -> Result<Listed<Message>> {
        let state = self.lock();
        let dead = state.messages.values().filter(|kept| kept.dead);
        let mut dead: Vec<Message> = dead
            .map(|kept| &kept.message)
            .filter(|message| page.after.as_ref().is_none_or(|after| at(message) < *after))
            .cloned()
            .collect();
        dead.sort_by_key(|message| std::cmp::Reverse((at(message), message.event)));
        let places: Vec<Cursor> = dead.iter().map(at).collect();
        let shown = page_length(&places, page.limit);
        let more = dead.len() > shown;
        dead.truncate(shown);
        Ok(Listed {
            next: dead.last().filter(|_| more).map(at),
            rows: dead,
        })
    }

    async fn revive_messages(&self, job: &Id, now: Timestamp) -> Result<u64> {
        let mut state = self.lock();
        let mut revived = 0;
        for event in WebhookEvent::ALL {
            let place = (job.clone(), event.number());
            if let Some(kept) = state.messages.get_mut(&place).filter(|kept| kept.dead) {
                (kept.dead, kept.message.tries, kept.message.not_before) = (false, 0, now);
                revived += 1;
            }
        }
        Ok(revived)
    }
}

impl State {
    /// A job has moved: whoever wants to know is told.
    pub(super) fn tell(&mut self, id: &Id, before: &JobState) {
        if let Some(message) = self.jobs.get(id).and_then(|job| news(before, job)) {
            let place = (id.clone(), message.event.number());
            let kept = Kept {
                message,
                dead: false,
            };
            self.messages.entry(place).or_insert(kept);
        }
    }

    /// A job that goes on has said something: whoever wants to know is told soon.
    pub(super) fn tell_said(&mut self, id: &Id, events: &[NewEvent]) {
        let job = self.jobs.get(id).filter(|job| !job.state.is_final());
        let webhook = job.and_then(|job| Some((job.started_at, job.webhook.as_ref()?)));
        let (Some((started_at, webhook)), Some(last)) = (webhook, events.last()) else {
            return;
        };
        let kinds = events.iter().map(|event| event.kind);
        for message in webhook.of_said(id, started_at, kinds, last.at) {
            let place = (id.clone(), message.event.number());
            let at = message.created_at;
            let kept = Kept {
                message,
                dead: false,
            };
            self.messages
                .entry(place)
                .or_insert(kept)
                .message
                .created_at = at;
        }
    }
}

fn at(message: &Message) -> Cursor {
    Cursor::of(message.created_at, &message.job)
}

/// How many make a page: the limit, and all at the place of the last, since a cursor leads past them.
pub(in crate::store) fn page_length<T: PartialEq>(places: &[T], limit: u32) -> usize {
    let limit = (limit as usize).min(places.len());
    let same = |last: &T| {
        let more = places[limit..].iter();
        more.take_while(|place| *place == last).count()
    };
    limit + places[..limit].last().map_or(0, same)
}

fn place(message: &Message) -> (Timestamp, &Id) {
    (message.not_before, &message.job)
}

pub(in crate::store) fn taken_by_another(message: &Message) -> Error {
    Error::lost(format!(
        "the message `{}` of job `{}` was taken by another",
        message.event.name(),
        message.job
    ))
}
