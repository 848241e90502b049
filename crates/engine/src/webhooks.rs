//! Sends what the outbox holds: each message until it arrives, has been tried often enough or tells what the job's end tells; those of
//! one job in order.
//! Does not know how messages are sent and where they may go; the post does.

use crate::parts::Parts;
use onstage_core::{
    Kind, Result,
    ports::Post,
    webhook::{self, Fate, Message},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often the outbox is looked into.
const LOOK_EVERY_MS: u64 = 500;
/// Messages sent at the same time.
const MESSAGES_AT_ONCE: u32 = 16;
/// Nobody else takes a message while it is being sent, which takes a few seconds at most.
const TAKEN_S: u64 = 30;

pub(crate) async fn run(parts: Parts, post: Arc<dyn Post>, stop: CancellationToken) {
    let mut failing = false;
    loop {
        let sent = match turn(&parts, &*post).await {
            Ok(sent) => {
                failing = false;
                sent
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "messages to webhooks cannot be sent now; it is tried again");
                }
                failing = true;
                0
            }
        };
        // Behind a message that arrived may be the next of its job.
        let wait = if sent > 0 { 0 } else { LOOK_EVERY_MS };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
    }
}

/// One look; answers how many messages were tried.
pub async fn turn(parts: &Parts, post: &dyn Post) -> Result<usize> {
    let now = parts.clock.now();
    let until = now.plus(Duration::from_secs(TAKEN_S));
    let messages = parts.store.take_messages(MESSAGES_AT_ONCE, now, until);
    let messages = messages.await?;
    let tries = messages.iter().map(|message| send(parts, post, message));
    for outcome in futures::future::join_all(tries).await {
        outcome?;
    }
    Ok(messages.len())
}

async fn send(parts: &Parts, post: &dyn Post, message: &Message) -> Result<()> {
    let Some(job) = parts.store.job(&message.job).await? else {
        return Ok(());
    };
    if message.is_overtaken(&job) {
        return settle(parts, message, Fate::Dropped, None).await;
    }
    let (status, failure) = match post.send(message, &job).await {
        Ok(status) => (Some(status), format!("it was answered with {status}")),
        Err(error) => (None, error.to_string()),
    };
    let now = parts.clock.now();
    let fate = webhook::after_try(message, status, parts.jitter(), now);
    let failure = (fate != Fate::Arrived).then_some(failure);
    if let Some(failure) = &failure {
        let event = message.event.name();
        tracing::info!(job = %message.job, event, tries = message.tries, failure, dead = fate == Fate::Dead, "a message to a webhook did not arrive");
    }
    settle(parts, message, fate, failure).await
}

async fn settle(
    parts: &Parts,
    message: &Message,
    fate: Fate,
    failure: Option<String>,
) -> Result<()> {
    match parts.store.settle_message(message, fate, failure).await {
        // It took so long that another has taken it.
        Err(error) if error.kind == Kind::Lost => Ok(()),
        other => other,
    }
}
