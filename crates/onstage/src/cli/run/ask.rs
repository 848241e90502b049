//! Asking: files put where the server finds them, the request sent, the waiting shown until there is an answer.
//! Does not show the answer, but for text that streams in.

use super::Asked;
use crate::{
    cli::{
        bars::Bar, caller::Caller, exit::Failure, jobs::is_final, print, push::words, typed::Typed,
        when,
    },
    client::{Client, Event, EventStream, follow, media_type},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use onstage_core::{Error, Result};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::{path::Path, time::Duration};

/// Files up to this size ride in the request; larger ones are uploaded first.
const INLINE_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Puts files in their places.
pub(super) async fn fill(
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

/// Sends the input and waits as long as was asked for. The answer may be a record that is not final.
pub(super) async fn predict(
    caller: &Caller,
    client: &Client,
    asked: &Asked,
    input: Value,
    detached: bool,
    deadline: Option<Duration>,
) -> Result<Value, Failure> {
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
    let request = match (detached, deadline) {
        (true, _) => request.header("prefer", "respond-async"),
        // A record must come in time, which a stream's end may not.
        (false, Some(wait)) => {
            request.header("prefer", format!("wait={}", wait.as_secs_f64().ceil()))
        }
        (false, None) => request.header("accept", "text/event-stream, application/json;q=0.9"),
    };
    let mut watch = Watch::new(caller, asked.streams);
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
        if detached || deadline.is_some() || is_final(&record) {
            record
        } else {
            until_final(client, words(&record, "id"), 0, &mut watch).await?
        }
    };
    watch.end()?;
    Ok(record)
}

async fn until_final(client: &Client, id: &str, after: u64, watch: &mut Watch) -> Result<Value> {
    follow(client, &format!("/v1/predictions/{id}"), after, |event| {
        watch.see(event)
    })
    .await
}

/// Shows what happens while a prediction is waited for.
struct Watch {
    bar: Bar,
    /// Whether pieces of the output are printed as they come.
    pieces: bool,
    screen: bool,
    printed: bool,
    /// The last piece did not end its line.
    open_line: bool,
    /// Standard output broke; told at the end, because events are also counted.
    closed: bool,
}

impl Watch {
    fn new(caller: &Caller, streams: bool) -> Self {
        Self {
            bar: Bar::spinner(),
            pieces: streams && !caller.json,
            screen: caller.screen,
            printed: false,
            open_line: false,
            closed: false,
        }
    }

    fn see(&mut self, event: &Event) -> Result<()> {
        let data = &event.data;
        match event.name.as_str() {
            "queued" | "phase" if !self.printed => self.bar.text(&waiting(data)),
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

/// `loading, about 4 s` or `3 before you, about 2 s`.
fn waiting(data: &Value) -> String {
    let mut parts = Vec::new();
    match (data["text"].as_str(), data["phase"].as_str()) {
        (Some(text), _) if !text.is_empty() => parts.push(text.to_owned()),
        (_, Some(phase)) if phase != "queued" => parts.push(phase.to_owned()),
        _ => {}
    }
    if let Some(ahead) = data["ahead"].as_u64().filter(|ahead| *ahead > 0) {
        parts.push(format!("{ahead} before you"));
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
        assert_eq!(waiting(&data), "3 before you, about 2.5 s");
        assert_eq!(waiting(&json!({"phase": "queued", "ahead": 0})), "");
        assert_eq!(
            waiting(&json!({"phase": "loading", "text": "loading the model"})),
            "loading the model"
        );
    }
}
