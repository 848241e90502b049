//! Data URLs: a file's bytes in a text of its own.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

pub const SCHEME: &str = "data:";

/// The media type and the bytes; `None` where the text is no data URL.
pub fn parse(text: &str) -> Option<(String, Bytes)> {
    let (head, body) = text.strip_prefix(SCHEME)?.split_once(',')?;
    let mut parts = head.split(';');
    let media_type = parts.next().filter(|kind| !kind.is_empty());
    let bytes = if parts.any(|part| part.eq_ignore_ascii_case("base64")) {
        Bytes::from(STANDARD.decode(body.trim()).ok()?)
    } else {
        percent_decoded(body)?
    };
    Some((media_type.unwrap_or("text/plain").to_owned(), bytes))
}

pub fn percent_decoded(text: &str) -> Option<Bytes> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        out.push((digit(bytes.next())? * 16 + digit(bytes.next())?) as u8);
    }
    Some(Bytes::from(out))
}
