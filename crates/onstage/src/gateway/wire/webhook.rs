//! Webhooks as the owner sees them.
//! Does not fetch.

use super::time;
use onstage_core::webhook::Message;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookSecret {
    /// `whsec_…`
    pub(crate) key: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookRetry {
    /// How many are sent again.
    pub(crate) messages: u64,
}

/// A message that never arrived.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookMessage {
    /// The job's id.
    id: String,
    /// `start` or `completed`.
    event: &'static str,
    url: String,
    created_at: String,
    tries: u32,
    /// How the last try ended.
    error: Option<String>,
}

pub(crate) fn show(message: &Message) -> WebhookMessage {
    WebhookMessage {
        id: message.job.to_string(),
        event: message.event.name(),
        url: message.url.clone(),
        created_at: time(message.created_at),
        tries: message.tries,
        error: message.failure.clone(),
    }
}
