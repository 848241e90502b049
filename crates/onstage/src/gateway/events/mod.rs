//! Events on their way out: server-sent streams with resumption, and long polls, over one numbered log.
//! Does not know routes.

pub(crate) mod plain;
mod source;

pub(crate) use source::Subject;

use super::{
    call::{Call, bounded_wait, bytes},
    problem::{Answer, Problem},
    wire::{self, event::sse},
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use onstage_core::event::{Event, EventKind};
use serde::Deserialize;
use source::{Source, Step};
use std::{convert::Infallible, time::Duration};

/// A comment this often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a browser reconnects.
const RETRY_MS: u32 = 2000;

#[derive(Deserialize)]
struct Query {
    after: Option<u64>,
    wait: Option<f64>,
}

/// A stream, unless the client wants JSON.
pub(crate) async fn answer(call: Call, subject: Subject) -> Answer {
    let query: Query = call.query()?;
    let polls = call.accepts("application/json") || query.wait.is_some();
    if polls && !call.accepts("text/event-stream") {
        return long_poll(call, subject, query).await;
    }
    let after = query.after.unwrap_or_else(|| last_event_id(&call));
    Ok(stream(call, subject, after))
}

/// The last event a reconnecting client has seen.
pub(crate) fn last_event_id(call: &Call) -> u64 {
    call.header(&HeaderName::from_static("last-event-id"))
        .and_then(|id| id.trim().parse().ok())
        .unwrap_or(0)
}

/// The stream of our own events.
pub(crate) fn stream(call: Call, subject: Subject, after: u64) -> Response {
    let source = Source::new(call, subject, after);
    let pieces = stream::unfold((source, false), |(mut source, ended)| async move {
        if ended {
            return None;
        }
        let (text, ended) = match source.step(KEEP_ALIVE).await {
            Ok(Step::Events(events)) => (written(&source, &events), false),
            Ok(Step::Quiet) => (": still here\n\n".to_owned(), false),
            Ok(Step::Closing) => (": the server is stopping, reconnect\n\n".to_owned(), true),
            Ok(Step::End { seq, record }) => (completed(&source, seq, &record), true),
            Err(problem) => (failed(&source, &problem), true),
        };
        Some((text, (source, ended)))
    });
    let first = format!("retry: {RETRY_MS}\n\n");
    respond(stream::once(async move { first }).chain(pieces))
}

/// The response around a stream of text.
fn respond(pieces: impl Stream<Item = String> + Send + 'static) -> Response {
    let body = Body::from_stream(pieces.map(|text| Ok::<_, Infallible>(Bytes::from(text))));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

fn written(source: &Source, events: &[Event]) -> String {
    events
        .iter()
        .map(|event| {
            sse(
                event.seq,
                event.kind.name(),
                &wire::event::data(source.id(), event, source.prices()),
            )
        })
        .collect()
}

fn completed(source: &Source, seq: u64, record: &str) -> String {
    sse(
        seq,
        EventKind::Completed.name(),
        &completed_data(source, record),
    )
}

fn completed_data(source: &Source, record: &str) -> String {
    let data = format!(r#"{{"record":{record}}}"#);
    wire::event::with_time(source.id(), source.now(), &data)
}

fn failed(source: &Source, problem: &Problem) -> String {
    source.log(problem);
    let data = serde_json::json!({"problem": {
        "status": problem.status.as_u16(),
        "code": problem.code,
        "detail": problem.detail,
        "retryable": problem.retryable,
    }});
    let data = wire::event::with_time(source.id(), source.now(), &data.to_string());
    format!("event: {}\ndata: {data}\n\n", EventKind::Error.name())
}

/// The events after a number, as soon as there are any.
async fn long_poll(call: Call, subject: Subject, query: Query) -> Answer {
    let patience = bounded_wait(&call.state, query.wait);
    let after = query.after.unwrap_or_else(|| last_event_id(&call));
    let mut source = Source::new(call, subject, after);
    let mut listed = Vec::new();
    let mut next = after;
    let mut is_final = false;
    match source.step(patience).await? {
        Step::Events(events) => {
            for event in &events {
                listed.push(listed_event(
                    event.seq,
                    event.kind.name(),
                    &wire::event::data(source.id(), event, source.prices()),
                ));
                next = event.seq;
            }
        }
        Step::End { seq, record } => {
            let data = completed_data(&source, &record);
            listed.push(listed_event(seq, EventKind::Completed.name(), &data));
            next = seq;
            is_final = true;
        }
        Step::Quiet | Step::Closing => {}
    }
    let body = format!(
        r#"{{"events":[{}],"next":{next},"final":{is_final}}}"#,
        listed.join(",")
    );
    Ok(bytes(StatusCode::OK, "application/json", body))
}

fn listed_event(seq: u64, name: &str, data: &str) -> String {
    format!(r#"{{"id":{seq},"event":"{name}","data":{data}}}"#)
}
