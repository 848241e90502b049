//! Bodies packed with gzip or deflate: requests unpacked under the cap of every body, answers packed for who asks.
//! Does not know what is inside.

use crate::gateway::{
    body,
    call::Call,
    problem::{Answer, Problem},
};
use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use flate2::{
    Compression,
    read::{MultiGzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};
use http::{HeaderName, HeaderValue, header};
use std::io::{Read, Write};

/// Unpacked in one go, before others get their turn.
const STEP_BYTES: usize = 256 << 10;

/// The whole body, unpacked when it came packed. Errors: 413; 415 for another packing; 400 when it is broken; 503 when
/// too much is being read at once.
pub(super) async fn read(call: &mut Call, bytes_max: usize) -> Result<Bytes, Problem> {
    let encoding = call
        .header(&header::CONTENT_ENCODING)
        .unwrap_or("identity")
        .trim()
        .to_ascii_lowercase();
    let packed = body::read_any(call, bytes_max).await?;
    match encoding.as_str() {
        "identity" | "" => Ok(packed),
        "gzip" => unpack(call, MultiGzDecoder::new(&packed[..]), bytes_max).await,
        "deflate" => unpack(call, ZlibDecoder::new(&packed[..]), bytes_max).await,
        _ => Err(body::unsupported(
            "The body is packed in a way that is not taken.",
            "send it with `gzip`, `deflate` or as it is",
        )),
    }
}

/// Memory is booked as it grows: a small body may unpack to any size.
async fn unpack(
    call: &mut Call,
    mut packed: impl Read + Send,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let read = packed.read(&mut step).map_err(|_| {
            Problem::invalid("malformed_body", "The body is not packed as it says.")
        })?;
        if read == 0 {
            return Ok(whole.freeze());
        }
        if whole.len() + read > bytes_max {
            return Err(body::too_large(bytes_max as u64));
        }
        call.hold(read)?;
        whole.extend_from_slice(&step[..read]);
        tokio::task::yield_now().await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Deflate,
}

/// How an answer is to be packed: only for clients that name one way. Those that list several are asked by nobody; their
/// library always does, and packing numbers takes longer than sending them.
pub(super) fn wanted(call: &Call) -> Option<Packing> {
    match call.header(&header::ACCEPT_ENCODING)?.trim() {
        "gzip" => Some(Packing::Gzip),
        "deflate" => Some(Packing::Deflate),
        _ => None,
    }
}

/// An answer's pieces as one packed body; its other headers speak of what is inside.
pub(super) async fn pack(mut response: Response, pieces: Vec<Bytes>, packing: Packing) -> Answer {
    let packed = tokio::task::spawn_blocking(move || packed(&pieces, packing)).await;
    let packed = packed
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| onstage_core::Error::internal("an answer cannot be packed"))?;
    let name = match packing {
        Packing::Gzip => "gzip",
        Packing::Deflate => "deflate",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    headers.insert(
        header::VARY,
        HeaderValue::from_name(HeaderName::from_static("accept-encoding")),
    );
    *response.body_mut() = Body::from(packed);
    Ok(response)
}

fn packed(pieces: &[Bytes], packing: Packing) -> std::io::Result<Vec<u8>> {
    let level = Compression::fast();
    match packing {
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            pieces
                .iter()
                .try_for_each(|piece| encoder.write_all(piece))?;
            encoder.finish()
        }
        Packing::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            pieces
                .iter()
                .try_for_each(|piece| encoder.write_all(piece))?;
            encoder.finish()
        }
    }
}
