//! Bodies of requests: bounded, of the announced type, and not deeper than anybody needs.
//! Does not know what they mean.

pub(crate) mod budget;
pub(crate) mod depth;
pub(crate) mod form;
pub(crate) mod upload;

use super::{call::Call, problem::Problem};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use onstage_core::limits::{JSON_BODY_BYTES_MAX, JSON_DEPTH_MAX};
use serde::Deserialize;

/// A body that holds a password or a few words.
const SMALL_BODY_BYTES_MAX: usize = 4 << 10;

/// Room that a body gets at once because it announces so much; a longer one grows as it comes.
const RESERVED_BYTES_MAX: usize = 8 << 20;

/// The whole body, at most `bytes_max`. Errors: 413; 415 when it is compressed; 400 when it was cut off; 503 when
/// too much is being read at once.
async fn read(call: &mut Call, bytes_max: usize) -> Result<Bytes, Problem> {
    refuse_encoding(&call.headers)?;
    read_any(call, bytes_max).await
}

/// As `read`, of a body that may be compressed: it is not unpacked.
pub(crate) async fn read_any(call: &mut Call, bytes_max: usize) -> Result<Bytes, Problem> {
    refuse_length(&call.headers, bytes_max as u64)?;
    let mut body = call.take_body();
    let mut first = next_piece(&mut body).await?.unwrap_or_default();
    if first.len() > bytes_max {
        return Err(too_large(bytes_max as u64));
    }
    call.hold(first.len())?;
    let mut whole = BytesMut::new();
    while let Some(piece) = next_piece(&mut body).await? {
        // The common body comes in one piece and is not copied; of a large one the pieces are copied once.
        if !first.is_empty() {
            whole.reserve(reserved(&call.headers));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        if whole.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max as u64));
        }
        call.hold(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// The announced length, as far as that is believed.
pub(crate) fn reserved(headers: &HeaderMap) -> usize {
    announced(headers).map_or(0, |length| {
        usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(RESERVED_BYTES_MAX)
    })
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        if let Ok(piece) = frame.map_err(|_| cut_off())?.into_data() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// A JSON body's bytes: an object of the right type, bounded and not too deep.
pub(crate) async fn read_json(call: &mut Call) -> Result<Bytes, Problem> {
    read_json_within(call, JSON_BODY_BYTES_MAX).await
}

async fn read_json_within(call: &mut Call, bytes_max: usize) -> Result<Bytes, Problem> {
    require_json(&call.headers)?;
    let bytes = read(call, bytes_max).await?;
    if depth::exceeds(&bytes, JSON_DEPTH_MAX) {
        return Err(Problem::invalid(
            "json_too_deep",
            format!("The JSON is nested deeper than {JSON_DEPTH_MAX} levels."),
        ));
    }
    // What is read into structures would take a list for one as well, field by field.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_body",
            "The body must be a JSON object, not a list.",
        ));
    }
    Ok(bytes)
}

/// Reads JSON into what a handler wants. Errors: 400 with line and column; 422 when it is JSON of another shape.
pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
}

/// What is wrong with JSON from outside.
pub(crate) fn unreadable(error: &serde_json::Error) -> Problem {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_body",
            format!("The body has not the right shape: {error}."),
        ),
        _ => Problem::invalid("malformed_json", format!("The body is not JSON: {error}.")),
    }
}

pub(crate) async fn json<T: for<'de> Deserialize<'de>>(call: &mut Call) -> Result<T, Problem> {
    let bytes = read_json(call).await?;
    parse(&bytes)
}

/// For bodies that are small by nature, from whoever comes.
pub(crate) async fn small_json<T: for<'de> Deserialize<'de>>(
    call: &mut Call,
) -> Result<T, Problem> {
    let bytes = read_json_within(call, SMALL_BODY_BYTES_MAX).await?;
    parse(&bytes)
}

/// The media type without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    media_type(headers) == "multipart/form-data"
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == "application/json");
    if plain {
        return Ok(());
    }
    let got = media_type(headers);
    if got == "application/json" || got.ends_with("+json") {
        return Ok(());
    }
    Err(unsupported(
        "The body must be `application/json`.",
        "send the header `content-type: application/json`",
    ))
}

pub(crate) fn unsupported(detail: &str, hint: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    )
    .hint(hint)
}

/// Compressed bodies are not unpacked: they could be any size.
pub(crate) fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(unsupported(
            "Bodies with a content-encoding are not taken.",
            "send the body as it is",
        )),
        _ => Ok(()),
    }
}

pub(crate) fn refuse_length(headers: &HeaderMap, bytes_max: u64) -> Result<(), Problem> {
    match announced(headers) {
        Some(length) if length > bytes_max => Err(too_large(bytes_max)),
        _ => Ok(()),
    }
}

pub(crate) fn too_large(bytes_max: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("The body is larger than {bytes_max} bytes."),
    )
    .hint("upload large files with `POST /v1/files` and send their ids")
}

pub(crate) fn cut_off() -> Problem {
    Problem::invalid("body_cut_off", "The body ended before it was complete.")
}
