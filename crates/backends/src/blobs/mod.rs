//! Blobs: bytes by key over the `object_store` crate, opened by URL.
//! Never knows which record points at a blob.

mod error;
mod folder;
mod key;
mod objects;
#[cfg(feature = "s3")]
mod s3;
mod writer;

#[cfg(test)]
mod tests;

use objects::{ObjectBlobs, PART_BYTES};
use onstage_core::{Error, Result, ports::Blobs};
use std::{path::Path, sync::Arc};

const FILE_SCHEME: &str = "file://";

/// Opens the blobs at `url`: `file:///folder`, `s3://bucket/prefix`, or `memory:` for ones that are forgotten.
pub async fn open(url: &str) -> Result<Arc<dyn Blobs>> {
    if url == "memory:" {
        return Ok(memory());
    }
    #[cfg(feature = "s3")]
    if let Some(place) = url.strip_prefix("s3://") {
        return s3::open(place);
    }
    match url.strip_prefix(FILE_SCHEME) {
        Some(path) if path.starts_with('/') => folder(Path::new(path)).await,
        _ => Err(
            Error::invalid(format!("blob storage `{url}` is not known")).hint(
                "write it like `file:///data/blobs` or, in builds with S3, `s3://bucket/prefix`",
            ),
        ),
    }
}

/// Removes what writers that died left in the folder at `url`, again and again as long as the runtime lives: the front's affair, for
/// all who write there. Elsewhere the storage itself forgets it.
pub fn keep_swept(url: &str) {
    if let Some(path) = url.strip_prefix(FILE_SCHEME) {
        crate::spawn::spawn("blob sweep", folder::sweep_now_and_then(path.into()));
    }
}

/// Opens the blobs in a folder, made when it is not there.
pub async fn folder(path: &Path) -> Result<Arc<dyn Blobs>> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || folder::open(&path)).await;
    let objects = opened
        .map_err(|error| Error::internal("a blob folder was not opened").because(error))??;
    Ok(Arc::new(ObjectBlobs::new(objects, PART_BYTES)))
}

/// Blobs that live as long as the process.
pub fn memory() -> Arc<dyn Blobs> {
    let objects = Arc::new(object_store::memory::InMemory::new());
    Arc::new(ObjectBlobs::new(objects, PART_BYTES))
}
