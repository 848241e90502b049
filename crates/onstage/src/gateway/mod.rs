//! The HTTP gateway: routes, their answers, who may, and the accept loop under them.
//! Knows core and the engine's handle; never drivers, SQL or archives.

mod accept;
mod aliases;
mod auth;
mod batches;
mod blobs;
mod body;
mod call;
mod cog;
mod datasets;
mod events;
mod feedback;
mod files;
mod front;
mod hosts;
mod input;
mod installation;
mod jobs;
mod look;
mod models;
mod openapi;
mod page;
mod people;
mod predictions;
mod problem;
mod router;
pub(crate) mod said;
mod schedules;
mod state;
mod table;
mod templates;
mod trainings;
mod uploads;
mod usage;
mod v2;
mod versions;
mod webhooks;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

pub(crate) use accept::{Limits, listen};
pub(crate) use auth::{LOCAL_TOKEN, login_path, mint};
pub(crate) use schedules::Submits;
pub(crate) use state::{Bundles, PushedBundle, Settings, State};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves until `shutdown` is cancelled and what was open has ended (bounded by `limits.drain`).
pub(crate) async fn serve(listener: TcpListener, state: State, shutdown: CancellationToken) {
    // Streams and long polls end first, so that the connections they hold can.
    let streams = state.shutdown.clone();
    let told = shutdown.clone();
    let watcher = onstage_engine::spawn::spawn("shutdown watcher", async move {
        told.cancelled().await;
        streams.cancel();
    });
    tracing::info!(address = %state.settings.listen, "serving");
    accept::run(listener, state, shutdown).await;
    watcher.abort();
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
