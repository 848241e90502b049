//! Blobs: bytes by key. The adapter stands on the `object_store` crate; this port keeps its types out of the engine.

use crate::{Result, value::BlobRef};
use async_trait::async_trait;
use bytes::Bytes;
use std::{ops::Range, path::Path, time::Duration};

/// A request that whoever knows it may make of the storage itself, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutLink {
    pub url: String,
    /// Names and values that the request must have as they are.
    pub headers: Vec<(String, String)>,
}

/// Bytes by key. Keys are lower-case path segments joined by `/`. A put is atomic and durable when it returns: readers see
/// the whole blob or none. Rows point at blobs, never the other way: put the blob first, commit the row last.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Opens a blob for writing in pieces; nothing is visible before `finish`.
    async fn writer(&self, key: &str) -> Result<Box<dyn BlobWriter>>;
    /// Errors: not found; invalid when the range is outside of the blob.
    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes>;
    /// Reads a range that lies inside of the blob from its beginning to its end, and holds about `piece_bytes` of it.
    fn reader(&self, key: &str, range: Range<u64>, piece_bytes: u64)
    -> Result<Box<dyn BlobReader>>;
    /// The size in bytes; not found when there is none.
    async fn size(&self, key: &str) -> Result<u64>;
    /// Copies the whole blob into a new file. Unavailable when other bytes come than `blob` says; then there is no file.
    async fn fetch(&self, blob: &BlobRef, to: &Path) -> Result<()>;
    /// Deleting what is not there is fine.
    async fn delete(&self, key: &str) -> Result<()>;
    /// Keys under a prefix that ends in `/`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
    /// Whether the storage takes requests of strangers by links.
    fn gives_links(&self) -> bool;
    /// A link to put exactly the bytes that `blob` says under its key, begun within `lasts`. Invalid where there are no links.
    async fn put_link(&self, blob: &BlobRef, lasts: Duration) -> Result<PutLink>;
}

/// A range of a blob being read.
#[async_trait]
pub trait BlobReader: Send {
    /// What follows; none at the end of the range. Errors as of `Blobs::read`, and unavailable when the blob ends before.
    async fn next(&mut self) -> Result<Option<Bytes>>;
}

/// A blob being written. Dropped without `finish`, it leaves nothing.
#[async_trait]
pub trait BlobWriter: Send {
    async fn write(&mut self, bytes: Bytes) -> Result<()>;
    /// Makes the blob durable and visible; answers its size and SHA-256, computed on the way.
    async fn finish(self: Box<Self>) -> Result<BlobRef>;
}

impl dyn Blobs {
    /// Puts a small blob in one go.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<BlobRef> {
        let mut writer = self.writer(key).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Gets a whole blob into memory; the caller knows it is small.
    pub async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        if blob.size_bytes == 0 {
            return Ok(Bytes::new());
        }
        self.read(&blob.key, 0..blob.size_bytes).await
    }
}
