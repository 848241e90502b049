//! Webhooks: what a request wishes to be told, the secret that receivers verify with, and messages that never arrived.
//! Does not send any.

mod dead;
mod retry;
mod secret;
pub(crate) mod wish;

use super::table::{
    Gives::{Json, Page},
    PAGING, Route, route,
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/v1/webhooks/default/secret", Owner, "What receivers verify the signatures of webhooks with, as Standard Webhooks says", secret::run)
            .gives(200, Json("WebhookSecret"))
            .errors(&[409]),
        route!(GET "/v1/webhooks/dead", Owner, "Lists messages to webhooks that never arrived, newest first", dead::run)
            .query(PAGING)
            .gives(200, Page("WebhookMessage")),
        route!(POST "/v1/webhooks/dead/{id}/retry", Owner, "Sends the messages of a job that never arrived again", retry::run)
            .gives(200, Json("WebhookRetry")),
    ]
}
