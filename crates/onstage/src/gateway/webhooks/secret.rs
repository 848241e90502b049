//! `GET /v1/webhooks/default/secret`, as Replicate has it.
//! Does not make one up while webhooks are off.

use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
    wire::webhook::WebhookSecret,
};
use http::StatusCode;

pub(crate) async fn run(call: Call) -> Answer {
    let post = call.state.engine.post().ok_or_else(off)?;
    let key = post.secret().await?;
    call::json(StatusCode::OK, &WebhookSecret { key })
}

/// Nobody has allowed any receiver.
pub(super) fn off() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "webhooks_off",
        "Webhooks are off: no host is allowed to receive them.",
    )
    .hint("name allowed hosts in the setting `webhook_hosts`")
}
