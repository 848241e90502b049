//! Blobs: bytes by key over the `object_store` crate, opened by URL.
//! Never knows which record points at a blob.

mod error;
mod folder;
mod key;
mod link;
mod objects;
mod reader;
mod s3;
mod writer;

#[cfg(test)]
mod tests;

use crate::hex;
use bytes::Bytes;
use object_store::signer::Url;
use objects::{ObjectBlobs, PART_BYTES};
use onstage_core::{Error, Kind, Result, ports::Blobs, value::BlobRef};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::Arc, time::Duration};

const FILE_SCHEME: &str = "file://";
const S3_SCHEME: &str = "s3://";
const NO_BUCKET_HINT: &str = "does the bucket exist, is AWS_REGION its region, and do AWS credentials or a role allow to put, get, list and delete there?";

/// Opens the blobs at `url`: `file:///folder`, `s3://bucket/prefix`, or `memory:` for ones that are forgotten.
pub async fn open(url: &str) -> Result<Arc<dyn Blobs>> {
    if url == "memory:" {
        return Ok(memory());
    }
    if let Some(place) = url.strip_prefix(S3_SCHEME) {
        return s3::open(place);
    }
    match url.strip_prefix(FILE_SCHEME) {
        Some(path) if path.starts_with('/') => folder(Path::new(path)).await,
        _ => Err(Error::invalid(format!("blob storage `{url}` is not known"))
            .hint("write it like `file:///data/blobs` or `s3://bucket/prefix`")),
    }
}

/// Tries the blobs at `url` out by writing a small one, reading and removing it: a bucket that does not exist, or that these
/// credentials may only read, is told at the start and not by the first upload. A folder has shown that when it was opened.
pub async fn prove(url: &str, blobs: &dyn Blobs) -> Result<()> {
    if !url.starts_with(S3_SCHEME) {
        return Ok(());
    }
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(|error| Error::internal("no randomness").because(error))?;
    let key = format!("trials/{}", hex::hex(&name));
    let tried = async {
        let blob = blobs.put(&key, Bytes::from_static(b"onstage")).await?;
        let came = blobs.get(&blob).await?;
        blobs.delete(&key).await?;
        Ok::<_, Error>(came)
    };
    let unusable = |kind| Error::new(kind, format!("`{url}` cannot be used")).hint(NO_BUCKET_HINT);
    match tried.await {
        Ok(came) if came == "onstage" => Ok(()),
        Ok(_) => Err(Error::unavailable(format!(
            "`{url}` gives other bytes than it took"
        ))),
        // What was just written can only be missing with the bucket.
        Err(error) if error.kind == Kind::NotFound => {
            Err(unusable(error.kind).because("there is no such bucket"))
        }
        Err(error) => Err(unusable(error.kind).because(error)),
    }
}

/// Where links to put lead, as an origin (`https://bucket.s3.eu-central-1.amazonaws.com`); none where there are no links.
pub async fn links_origin(blobs: &dyn Blobs) -> Result<Option<String>> {
    if !blobs.gives_links() {
        return Ok(None);
    }
    let nothing = BlobRef {
        key: "trials/none".to_owned(),
        size_bytes: 0,
        sha256: hex::hex(&Sha256::digest([])),
    };
    let link = blobs.put_link(&nothing, Duration::from_secs(1)).await?;
    let url = link.url.parse::<Url>();
    let url = url.map_err(|error| Error::internal("a link is no address").because(error))?;
    Ok(Some(url.origin().ascii_serialization()))
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
