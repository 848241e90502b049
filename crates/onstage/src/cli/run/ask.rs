//! Asking: files put where the server finds them, the request sent, the waiting shown until there is an answer.
//! Does not show the answer, but for text that streams in.

use super::{Asked, going_on};
use crate::{
    cli::{
        bars::Bar, caller::Caller, exit::Failure, interrupt::Interrupt, jobs::is_final, print,
        push::words, typed::Typed, when,
    },
    client::{Client, Event, EventStream, follow, media_type},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use onstage_core::{Error, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use std::{path::Path, time::Duration};

/// Files up to this size ride in the request; larger ones are uploaded first.
const INLINE_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Puts files in their places.
pub(in crate::cli) async fn fill(
    caller: &Caller,
    client: &Client,
    typed: Vec<(String, Typed)>,
) -> Result<Value> {
    let mut input = Map::new();
    for (key, typed) in typed {
        let value = match typed {
            Typed::Value(value) => value,
            Typed::File(path) => file(client, &caller.path(&path)).await?,
            Typed::FileInList(path) => {
                let mut files = input.remove(&key).unwrap_or_else(|| json!([]));
                let one = file(client, &caller.path(&path)).await?;
                files
                    .as_array_mut()
                    .expect("a list of files holds nothing else")
                    .push(one);
                files
            }
            Typed::TextOf(path) => Value::String(text(&key, &caller.path(&path))?),
            Typed::JsonOf(path) => serde_json::from_str(&text(&key, &caller.path(&path))?)
                .map_err(|error| {
                    Error::invalid(format!("file `{}` is not JSON", path.display())).because(error)
                })?,
        };
        input.insert(key, value);
    }
    Ok(Value::Object(input))
}

fn text(key: &str, path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        Error::invalid(format!("file `{}` cannot be read", path.display()))
            .because(error)
            .hint(format!(
                "for a text that starts with `@` write {key}:='\"@…\"'"
            ))
    })
}

async fn file(client: &Client, path: &Path) -> Result<Value> {
    let cannot =
        |error| Error::invalid(format!("file `{}` cannot be read", path.display())).because(error);
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size <= INLINE_FILE_BYTES_MAX && path.is_file() {
        let bytes = std::fs::read(path).map_err(cannot)?;
        return Ok(format!(
            "data:{};base64,{}",
            media_type(path),
            BASE64_STANDARD.encode(bytes)
        )
        .into());
    }
    let bar = Bar::bytes(size, &path.display().to_string());
    let uploaded = client.upload(path, bar.moved()).await;
    bar.end();
    Ok(format!("onstage://files/{}", words(&uploaded?, "id")).into())
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Patience {
    None,
    AtMost(Duration),
    ToTheEnd,
}

impl Patience {
    pub(super) fn of(detached: bool, wait_s: Option<f64>) -> Result<Self> {
        match wait_s.map(Duration::try_from_secs_f64) {
            _ if detached => Ok(Self::None),
            None => Ok(Self::ToTheEnd),
            Some(Ok(wait)) => Ok(Self::AtMost(wait)),
            Some(Err(_)) => Err(Error::invalid("`--wait` must be a number of seconds")),
        }
    }
}

/// Sends the input and waits as long as was asked for. The answer may be a record that is not final.
pub(super) async fn predict(
    caller: &Caller,
    client: &Client,
    asked: &Asked,
    input: Value,
    patience: Patience,
    interrupt: &Interrupt,
) -> Result<Value, Failure> {
    let started = caller.clock.monotonic();
    let request = request(client, asked, &input, patience);
    let mut watch = Watch::new(caller, asked.streams, interrupt);
    watch.bar.text("");
    let response = client.send(request).await;
    let response = response.inspect_err(|_| watch.bar.end())?;
    let is_stream = response
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let record = if is_stream {
        let streamed = client
            .read_stream(EventStream::new(response), |event| watch.see(event))
            .await?;
        match (streamed.record, streamed.id) {
            (Some(record), _) => record,
            (None, Some(id)) => until_final(client, &id, streamed.seq, &mut watch).await?,
            (None, None) => {
                return Err(
                    Error::unavailable("the server ended the stream without an answer").into(),
                );
            }
        }
    } else {
        let record = client.json(response).await?;
        let id = words(&record, "id").to_owned();
        watch.knows(&id);
        match patience {
            _ if is_final(&record) => record,
            Patience::None => record,
            Patience::ToTheEnd => until_final(client, &id, 0, &mut watch).await?,
            Patience::AtMost(wait) => {
                // The server may have waited already, at most as long as it waits for anybody.
                let left = wait.saturating_sub(caller.clock.monotonic().saturating_sub(started));
                let ending = until_final(client, &id, 0, &mut watch);
                match tokio::time::timeout(left, ending).await {
                    Ok(record) => record?,
                    Err(_) => client.get(&format!("/v1/predictions/{id}")).await?,
                }
            }
        }
    };
    watch.end()?;
    Ok(record)
}

fn request(client: &Client, asked: &Asked, input: &Value, patience: Patience) -> RequestBuilder {
    let (path, body) = match &asked.version {
        Some(version) => (
            "/v1/predictions".to_owned(),
            json!({"version": version, "input": input}),
        ),
        None => (
            format!("/v1/models/{}/predictions", asked.model),
            json!({"input": input}),
        ),
    };
    let request = client.request(Method::POST, &path).json(&body);
    match patience {
        // A job is followed by its id, which also tells its place in the queue.
        _ if asked.background => request.header("prefer", "respond-async"),
        Patience::None => request.header("prefer", "respond-async"),
        // A record must come in time, which a stream's end may not.
        Patience::AtMost(wait) => {
            request.header("prefer", format!("wait={}", wait.as_secs_f64().ceil()))
        }
        Patience::ToTheEnd => request.header("accept", "text/event-stream, application/json;q=0.9"),
    }
}

async fn until_final(
    client: &Client,
    id: &str,
    after: u64,
    watch: &mut Watch<'_>,
) -> Result<Value> {
    follow(client, &format!("/v1/predictions/{id}"), after, |event| {
        watch.see(event)
    })
    .await
}

/// Shows what happens while a prediction is waited for.
struct Watch<'a> {
    bar: Bar,
    interrupt: &'a Interrupt,
    known: bool,
    /// Whether pieces of the output are printed as they come.
    pieces: bool,
    screen: bool,
    printed: bool,
    /// The last piece did not end its line.
    open_line: bool,
    /// Standard output broke; told at the end, because events are also counted.
    closed: bool,
}

impl<'a> Watch<'a> {
    fn new(caller: &Caller, streams: bool, interrupt: &'a Interrupt) -> Self {
        Self {
            bar: Bar::spinner(),
            interrupt,
            known: false,
            pieces: streams && !caller.json,
            screen: caller.screen,
            printed: false,
            open_line: false,
            closed: false,
        }
    }

    /// The server has it under this id.
    fn knows(&mut self, id: &str) {
        if !id.is_empty() && !std::mem::replace(&mut self.known, true) {
            self.interrupt.says(going_on(id));
        }
    }

    fn see(&mut self, event: &Event) -> Result<()> {
        let data = &event.data;
        self.knows(words(data, "id"));
        match event.name.as_str() {
            "queued" | "phase" | "waiting" if !self.printed => self.bar.text(&waiting(data)),
            "away" => self.bar.line(words(data, "text")),
            "start" if !self.printed => self.bar.text(""),
            "progress" if !self.printed => self.progress(data),
            "log" => self.bar.line(words(data, "data").trim_end()),
            "output" if self.pieces => self.piece(&data["chunk"]),
            _ => {}
        }
        Ok(())
    }

    fn progress(&mut self, data: &Value) {
        let text = words(data, "text");
        match (data["done"].as_f64(), data["total"].as_f64()) {
            (Some(done), Some(total)) if self.bar.shown() => {
                self.bar.rows(done as u64, total as u64);
                self.bar.detail(print::harmless(text));
            }
            _ => self.bar.text(text),
        }
    }

    fn piece(&mut self, chunk: &Value) {
        let text = chunk
            .as_str()
            .map_or_else(|| format!("{chunk}\n"), str::to_owned);
        if !self.printed {
            // A spinner would wipe away the line that the pieces are on.
            self.bar.end();
            self.printed = true;
        }
        let text = if self.screen {
            print::harmless(&text)
        } else {
            text
        };
        self.open_line = !text.ends_with('\n');
        self.closed |= print::bytes(text.as_bytes()).is_err();
    }

    fn end(&self) -> Result<(), Failure> {
        self.bar.end();
        if self.closed {
            return Err(Failure::PipeClosed);
        }
        if self.open_line {
            print::bytes(b"\n")?;
        }
        Ok(())
    }
}

/// `loading, about 4 s` or `queued: 3 are ahead, about 2 s`.
fn waiting(data: &Value) -> String {
    let mut parts = Vec::new();
    let phase = data["phase"].as_str().unwrap_or("queued");
    match words(data, "text") {
        "" if phase == "queued" => {
            if let Some(ahead) = data["ahead"].as_u64().filter(|ahead| *ahead > 0) {
                parts.push(format!("queued: {ahead} before you"));
            }
        }
        "" => parts.push(phase.to_owned()),
        text if phase == "queued" => parts.push(format!("queued: {text}")),
        text => parts.push(text.to_owned()),
    }
    if data["eta_s"].is_number() {
        parts.push(format!("about {}", when::seconds(&data["eta_s"])));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_explained_in_words() {
        let data = json!({"phase": "queued", "position": 4, "ahead": 3, "eta_s": 2.5});
        assert_eq!(waiting(&data), "queued: 3 before you, about 2.5 s");
        assert_eq!(waiting(&json!({"phase": "queued", "ahead": 0})), "");
        let queue = json!({"position": 2, "ahead": 1, "eta_s": null, "text": "1 is ahead"});
        assert_eq!(waiting(&queue), "queued: 1 is ahead");
        assert_eq!(
            waiting(&json!({"phase": "loading", "text": "loading the model"})),
            "loading the model"
        );
    }
}
