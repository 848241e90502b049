//! Following a prediction or job until it ends: by its event stream where there is one, else by long poll.
//! Does not print; what happens is handed to the caller event by event.

use super::{Away, Client, sse::EventStream};
use onstage_core::{Error, Result};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How long one long poll hangs.
const POLL_WAIT_S: u64 = 20;
/// The same for one that has not started: its place in the queue is looked at after each.
const QUEUED_WAIT_S: u64 = 1;
/// Longer than `POLL_WAIT_S`, so that a healthy server always answers first.
const POLL_TIMEOUT: Duration = Duration::from_secs(40);

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

/// Follows the record at `path` (`/v1/predictions/{id}`, `/v1/batches/{id}`) by long poll from event `after` on; answers it
/// when it has ended. Beside the record's own events, `see` gets `waiting` with its place in the queue while it has not
/// started, `away` when the server cannot be reached, and `back` when it answers again.
pub(crate) async fn follow(
    client: &Client,
    path: &str,
    after: u64,
    mut see: impl FnMut(&Event) -> Result<()>,
) -> Result<Value> {
    let mut follower = Follower {
        client,
        path,
        after,
        queued: true,
        away: Away::default(),
    };
    loop {
        let step = match follower.step(&mut see).await {
            Ok(step) => step,
            Err(Trouble::Caller(error)) => return Err(error),
            Err(Trouble::Server(error)) => {
                let mut said = None;
                let tried = follower.away.rides_out(client, &error, |text| {
                    said = Some(text.to_owned());
                });
                if !tried.await {
                    return Err(error);
                }
                if let Some(text) = said {
                    see(&of_ours("away", json!({ "text": text })))?;
                }
                continue;
            }
        };
        if follower.away.is_back() {
            see(&of_ours("back", json!({})))?;
        }
        if let Some(record) = step {
            return Ok(record);
        }
    }
}

fn of_ours(name: &str, data: Value) -> Event {
    Event {
        name: name.to_owned(),
        data,
    }
}

struct Follower<'a> {
    client: &'a Client,
    path: &'a str,
    after: u64,
    /// It may not have started.
    queued: bool,
    away: Away,
}

/// Who is in the way: the server may come back, the caller wants no more.
enum Trouble {
    Server(Error),
    Caller(Error),
}

impl Follower<'_> {
    /// One poll; the record when it has ended.
    async fn step(
        &mut self,
        see: &mut impl FnMut(&Event) -> Result<()>,
    ) -> Result<Option<Value>, Trouble> {
        let wait = if self.queued {
            QUEUED_WAIT_S
        } else {
            POLL_WAIT_S
        };
        let page = poll(self.client, self.path, self.after, wait)
            .await
            .map_err(Trouble::Server)?;
        let mut events = page["events"].as_array().into_iter().flatten().peekable();
        let quiet = events.peek().is_none();
        for event in events {
            let event = Event {
                name: event["event"].as_str().unwrap_or_default().to_owned(),
                data: event["data"].clone(),
            };
            self.queued = event.name == "queued" || (self.queued && event.name == "phase");
            see(&event).map_err(Trouble::Caller)?;
            if event.name == "completed" {
                return Ok(Some(completed(event.data)));
            }
        }
        self.after = page["next"].as_u64().unwrap_or(self.after);
        let ended = page["final"].as_bool().unwrap_or(false);
        let look = ended || quiet && self.queued;
        if !look {
            return Ok(None);
        }
        let record = self.client.get(self.path).await.map_err(Trouble::Server)?;
        if ended {
            return Ok(Some(record));
        }
        if record["queue"].is_object() {
            see(&of_ours("waiting", record["queue"].clone())).map_err(Trouble::Caller)?;
        }
        Ok(None)
    }
}

async fn poll(client: &Client, path: &str, after: u64, wait_s: u64) -> Result<Value> {
    let request = client
        .request(
            Method::GET,
            &format!("{path}/events?after={after}&wait={wait_s}"),
        )
        .header("accept", "application/json")
        .timeout(POLL_TIMEOUT);
    client.json(client.send(request).await?).await
}
