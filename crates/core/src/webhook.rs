//! Webhooks: what somebody wants to be told of a job, where, and the messages on their way.
//! Does not send anything.

use crate::{Id, Timestamp};
use serde::{Deserialize, Serialize};

/// What a webhook may be told of, in Replicate's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEvent {
    /// The first run has begun.
    Start,
    /// A piece of a streamed output.
    Output,
    Logs,
    /// It has ended, however.
    Completed,
}

/// Where a job's news go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub url: String,
    pub events: Vec<WebhookEvent>,
}

/// A message to be sent, written in the same commit as what it tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The job's id and a number that grows: messages of one job go in this order.
    pub job: Id,
    pub number: u64,
    pub event: WebhookEvent,
    pub url: String,
    pub created_at: Timestamp,
    /// Tries so far.
    pub tries: u32,
    /// Not to be sent earlier.
    pub not_before: Timestamp,
    /// What the last try ended with, when it failed.
    pub failure: Option<String>,
}
