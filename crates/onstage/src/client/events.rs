//! Following a prediction or job until it ends: by its event stream where there is one, else by long poll.
//! Does not print; what happens is handed to the caller event by event.

use super::{Client, sse::EventStream};
use onstage_core::{Kind, Result};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// How long one long poll hangs.
const POLL_WAIT_S: u64 = 20;
/// Longer than `POLL_WAIT_S`, so that a healthy server always answers first.
const POLL_TIMEOUT: Duration = Duration::from_secs(40);
/// Between polls that found the server away: it may be restarting.
const AWAY_PAUSE: Duration = Duration::from_millis(500);
/// How many polls in a row may find the server away.
const AWAY_MAX: u32 = 60;

/// An event by name with its data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Client {
    /// Reads an event stream to its `completed` event; answers the record in it, or `None` when the stream broke off before.
    pub(crate) async fn read_stream(
        &self,
        mut stream: EventStream,
        mut see: impl FnMut(&Event) -> Result<()>,
    ) -> Result<Streamed> {
        let mut streamed = Streamed::default();
        while let Some(raw) = stream.next().await? {
            let data = serde_json::from_str(&raw.data).unwrap_or(Value::String(raw.data));
            let event = Event {
                name: raw.event,
                data,
            };
            if let Some(seq) = raw.id.and_then(|id| id.parse().ok()) {
                streamed.seq = seq;
            }
            streamed.note_id(&event.data);
            see(&event)?;
            if event.name == "completed" {
                streamed.record = Some(completed(event.data));
                break;
            }
        }
        Ok(streamed)
    }
}

/// What an event stream brought.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    /// The finished record.
    pub(crate) record: Option<Value>,
    /// The prediction's id, when an event told it.
    pub(crate) id: Option<String>,
    /// The last event's number.
    pub(crate) seq: u64,
}

impl Streamed {
    fn note_id(&mut self, data: &Value) {
        let id = data.get("id").or_else(|| data.pointer("/record/id"));
        if let Some(id) = id.and_then(Value::as_str) {
            self.id = Some(id.to_owned());
        }
    }
}

/// The record inside of a `completed` event.
fn completed(mut data: Value) -> Value {
    match data.get_mut("record") {
        Some(record) => record.take(),
        None => data,
    }
}

/// Follows the record at `path` (`/v1/predictions/{id}`, `/v1/batches/{id}`) by long poll from event `after` on; answers it when it has ended.
pub(crate) async fn follow(
    client: &Client,
    path: &str,
    after: u64,
    mut see: impl FnMut(&Event) -> Result<()>,
) -> Result<Value> {
    let (mut after, mut away) = (after, 0);
    loop {
        let page = match poll(client, path, after).await {
            Err(error) if error.kind == Kind::Unavailable && away < AWAY_MAX => {
                away += 1;
                tokio::time::sleep(AWAY_PAUSE).await;
                continue;
            }
            page => page?,
        };
        away = 0;
        for event in page["events"].as_array().into_iter().flatten() {
            see(&Event {
                name: event["event"].as_str().unwrap_or_default().to_owned(),
                data: event["data"].clone(),
            })?;
        }
        after = page["next"].as_u64().unwrap_or(after);
        if page["final"].as_bool().unwrap_or(false) {
            return client.get(path).await;
        }
    }
}

async fn poll(client: &Client, path: &str, after: u64) -> Result<Value> {
    let request = client
        .request(
            Method::GET,
            &format!("{path}/events?after={after}&wait={POLL_WAIT_S}"),
        )
        .header("accept", "application/json")
        .timeout(POLL_TIMEOUT);
    client.json(client.send(request).await?).await
}
