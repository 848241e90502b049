//! Blobs: bytes by key. The adapter stands on the `object_store` crate; this port keeps its types out of the engine.

use crate::{Result, value::BlobRef};
use async_trait::async_trait;
use bytes::Bytes;
use std::{ops::Range, path::Path};

/// Bytes by key. Keys are lower-case path segments joined by `/`. A put is atomic and durable when it returns: readers see
/// the whole blob or none. Rows point at blobs, never the other way: put the blob first, commit the row last.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Opens a blob for writing in pieces; nothing is visible before `finish`.
    async fn writer(&self, key: &str) -> Result<Box<dyn BlobWriter>>;
    /// Errors: not found; invalid when the range is outside of the blob.
    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes>;
    /// The size in bytes; not found when there is none.
    async fn size(&self, key: &str) -> Result<u64>;
    /// Copies the whole blob into a new file.
    async fn fetch(&self, key: &str, to: &Path) -> Result<()>;
    /// Deleting what is not there is fine.
    async fn delete(&self, key: &str) -> Result<()>;
    /// Keys under a prefix that ends in `/`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
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
