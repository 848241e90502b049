//! `GET /v1/files/{id}/content`: the bytes, streamed, or one range of them; always as a download.
//! Does not judge what is in them.

use super::{
    InPlace, find, inside,
    range::{self, Wanted},
};
use crate::gateway::{
    body::form::plain_name,
    call::{self, Call, set},
    problem::{Answer, Problem},
    wire::{page::escape, value::Part},
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, StatusCode, header};
use onstage_core::{
    ports::{BlobReader, Blobs},
    value::BlobRef,
};
use serde::Deserialize;
use std::ops::Range;

/// Read and sent at a time.
const PIECE_BYTES: u64 = 32 * 1024;

#[derive(Deserialize)]
struct Query {
    of: Option<String>,
    n: Option<usize>,
    name: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let query: Query = call.query()?;
    let Some(of) = query.of else {
        let file = find(&call, &id).await?;
        return blob(&call, &file.blob, &file.name, &file.media_type);
    };
    let part = Part::parse(&of)
        .ok_or_else(|| Problem::invalid("invalid_query", "`of` should be `input` or `output`."))?;
    let file = inside(&call, &id, part, query.n.unwrap_or(0)).await?;
    let name = file
        .name
        .clone()
        .or(query.name)
        .map(|name| plain_name(&name))
        .unwrap_or_else(|| format!("{}-{id}", part.name()));
    match &file.place {
        InPlace::Memory(bytes) => Ok(whole(&name, &file.media_type, bytes.clone())),
        InPlace::Blob(found) => blob(&call, found, &name, &file.media_type),
    }
}

/// Bytes at hand as a download.
pub(crate) fn whole(name: &str, media_type: &str, bytes: Bytes) -> Response {
    let mut response = call::bytes(StatusCode::OK, "application/octet-stream", bytes);
    describe(&mut response, name, media_type);
    response
}

/// A blob as a download, whole or one range of it.
pub(crate) fn blob(call: &Call, blob: &BlobRef, name: &str, media_type: &str) -> Answer {
    let size = blob.size_bytes;
    let etag = format!("\"{}\"", blob.sha256);
    let known = !blob.sha256.is_empty();
    if known && call.header(&header::IF_NONE_MATCH) == Some(etag.as_str()) {
        let mut response = call::no_content();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let wanted = match call.header(&header::IF_RANGE) {
        Some(tag) if !known || tag != etag => Wanted::Whole,
        _ => range::parse(call.header(&header::RANGE), size),
    };
    let (status, part) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => return Err(unsatisfiable(size)),
    };
    let blobs = &*call.state.parts.blobs;
    let body = pieces(blobs, blob.key.clone(), part.clone())?;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    describe(&mut response, name, media_type);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_LENGTH,
        HeaderValue::from(part.end - part.start),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        set(&mut response, header::CONTENT_RANGE, &text);
    }
    if known {
        set(&mut response, header::ETAG, &etag);
    }
    Ok(response)
}

fn unsatisfiable(size: u64) -> Problem {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        format!("The file has {size} bytes; the range lies outside."),
    );
    match HeaderValue::from_str(&format!("bytes */{size}")) {
        Ok(value) => problem.header(header::CONTENT_RANGE, value),
        Err(_) => problem,
    }
}

/// Never shown in place: what was uploaded may be a page with a script.
fn describe(response: &mut Response, name: &str, media_type: &str) {
    let ascii: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || " ._-()".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let disposition = format!(
        "attachment; filename=\"{ascii}\"; filename*=UTF-8''{}",
        escape(name)
    );
    set(response, header::CONTENT_DISPOSITION, &disposition);
    set(response, header::CONTENT_TYPE, media_type);
    // Of its own: even opened in place, nothing in it may run or load.
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
}

fn pieces(blobs: &dyn Blobs, key: String, part: Range<u64>) -> Result<Body, Problem> {
    let reader = blobs.reader(&key, part, PIECE_BYTES)?;
    let read = move |reader: Option<Box<dyn BlobReader>>| {
        let key = key.clone();
        async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(piece) => piece.map(|piece| (Ok(piece), Some(reader))),
                Err(error) => {
                    tracing::warn!(key, %error, "a download broke off");
                    Some((Err(error), None))
                }
            }
        }
    };
    Ok(Body::from_stream(stream::unfold(Some(reader), read)))
}
