//! `GET /healthz` and `GET /readyz`: for probes; they say nothing about what is inside.
//! Does not touch models.

use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
};
use http::StatusCode;
use std::time::Duration;

const STORE_PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn alive(_call: Call) -> Answer {
    Ok(call::text("ok\n".to_owned()))
}

pub(crate) async fn ready(call: Call) -> Answer {
    let not_ready = |why: &str| {
        Err(
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why)
                .retry_after(Duration::from_secs(1)),
        )
    };
    if call.state.shutdown.is_cancelled() {
        return not_ready("This server is about to stop.");
    }
    let asked = call.state.parts.store.catalog_revision();
    match tokio::time::timeout(STORE_PATIENCE, asked).await {
        Ok(Ok(_)) => Ok(call::text("ready\n".to_owned())),
        _ => not_ready("The store does not answer."),
    }
}
