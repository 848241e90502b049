//! The one place of the engine that starts background tasks of the runtime.
//! Every task has a name; a panic in it is logged with that name instead of vanishing.

use futures::FutureExt;
use std::{future::Future, panic::AssertUnwindSafe};
use tokio::task::JoinHandle;

/// Starts `work`; `name` is for the log line of a panic.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(name: &'static str, work: F) -> JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(async move {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(output) => Some(output),
            Err(_) => {
                tracing::error!(task = name, "a background task panicked");
                None
            }
        }
    })
}
