//! The built page inside of the binary, packed once for browsers that take it packed.
//! Does not know addresses.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;
use std::{
    collections::HashMap,
    io::Write,
    sync::{LazyLock, Mutex, PoisonError},
};

/// Smaller files are not worth packing.
const PACKED_BYTES_MIN: usize = 1024;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Built;

/// A part of the page.
#[derive(Clone)]
pub(crate) struct Asset {
    pub(crate) bytes: Bytes,
    pub(crate) gzipped: Option<Bytes>,
    pub(crate) media_type: String,
}

/// By path and digest, so that a page built anew is seen by a development server.
static SEEN: LazyLock<Mutex<Seen>> = LazyLock::new(Mutex::default);

type Seen = HashMap<(String, [u8; 32]), Asset>;

pub(crate) fn get(path: &str) -> Option<Asset> {
    let file = Built::get(path)?;
    let key = (path.to_owned(), file.metadata.sha256_hash());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(asset) = seen.get(&key) {
        return Some(asset.clone());
    }
    let media_type = file.metadata.mimetype().to_owned();
    let bytes = Bytes::from(file.data.into_owned());
    let asset = Asset {
        gzipped: packed(&media_type, &bytes),
        bytes,
        media_type,
    };
    seen.insert(key, asset.clone());
    Some(asset)
}

pub(crate) fn text(path: &str) -> Option<String> {
    let file = Built::get(path)?;
    String::from_utf8(file.data.into_owned()).ok()
}

fn packed(media_type: &str, bytes: &[u8]) -> Option<Bytes> {
    let is_packed_already = media_type.starts_with("image/") && media_type != "image/svg+xml"
        || media_type.starts_with("font/woff");
    if bytes.len() < PACKED_BYTES_MIN || is_packed_already {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
