//! `POST /v1/webhooks/dead/{id}/retry`: what a job's webhook was not told is sent again.
//! Does not wait for it.

use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    wire::webhook::WebhookRetry,
};
use http::StatusCode;

pub(crate) async fn run(call: Call) -> Answer {
    let parts = &call.state.parts;
    let now = parts.clock.now();
    let messages = parts.store.revive_messages(&call.id()?, now).await?;
    call::json(StatusCode::OK, &WebhookRetry { messages })
}
