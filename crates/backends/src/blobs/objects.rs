//! The `Blobs` port over any object store: keys checked, every call with a deadline, errors made ours.
//! Must not know which object store it has.

use super::{
    error::blob_error,
    key, link,
    reader::{AnswerReader, PieceReader},
    writer::Writer,
};
use crate::durable::kind_of_io;
use crate::{
    fail::{self, Moment},
    hex::hex,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, signer::Signer};
use onstage_core::{
    Error, Kind, Result,
    ports::{BlobReader, BlobWriter, Blobs, PutLink},
    value::BlobRef,
};
use sha2::{Digest, Sha256};
use std::{future::Future, io, ops::Range, path::Path, sync::Arc, time::Duration};
use tokio::io::AsyncWriteExt;

/// How long one call on the storage may take: a part, a range, a piece of a stream. Clients of remote ones try again within it.
pub(super) const CALL_MS_MAX: u64 = 120_000;

/// Bytes of a part of a long blob: several are in memory while it is written.
pub(super) const PART_BYTES: usize = 1 << 20;

/// Read, checked and written at a time when a blob is fetched.
const PIECE_BYTES: u64 = 1 << 20;

pub(super) struct ObjectBlobs {
    objects: Arc<dyn ObjectStore>,
    /// Where strangers may put by links: the same objects.
    links: Option<Arc<dyn Signer>>,
    part_bytes: usize,
}

impl ObjectBlobs {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, part_bytes: usize) -> Self {
        Self {
            objects,
            links: None,
            part_bytes,
        }
    }

    pub(super) fn with_links(self, links: Arc<dyn Signer>) -> Self {
        let links = Some(links);
        Self { links, ..self }
    }

    /// Whether `range` lies inside of the blob; an error when not.
    async fn check_range(&self, key: &str, range: &Range<u64>) -> Result<()> {
        let size = self.size(key).await?;
        if range.start <= range.end && range.end <= size {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "bytes {}..{} are outside of blob `{key}`, which has {size}",
            range.start, range.end
        )))
    }

    async fn copy_out(
        &self,
        blob: &BlobRef,
        size: u64,
        file: &mut tokio::fs::File,
        to: &Path,
    ) -> Result<()> {
        let mut reader = self.reader(&blob.key, 0..size, PIECE_BYTES)?;
        let mut hash = Sha256::new();
        while let Some(piece) = reader.next().await? {
            hash.update(&piece);
            file.write_all(&piece)
                .await
                .map_err(|error| not_written(to, error))?;
        }
        file.flush().await.map_err(|error| not_written(to, error))?;
        match blob.sha256.is_empty() || hex(&hash.finalize()) == blob.sha256 {
            true => Ok(()),
            false => Err(Error::unavailable(format!(
                "blob `{}` arrived damaged: its digest differs",
                blob.key
            ))),
        }
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn writer(&self, key: &str) -> Result<Box<dyn BlobWriter>> {
        let place = key::checked(key)?;
        let writer = Writer::new(
            Arc::clone(&self.objects),
            place,
            self.part_bytes,
            self.gives_links(),
        );
        Ok(Box::new(writer))
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let place = key::checked(key)?;
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            self.check_range(key, &range).await?;
            return Ok(Bytes::new());
        }
        match in_time(key, self.objects.get_range(&place, range.clone())).await {
            // Stores answer what there is of a range that is too long.
            Ok(bytes) if bytes.len() as u64 == wanted => Ok(bytes),
            Ok(_) => {
                self.check_range(key, &range).await?;
                Err(Error::unavailable(format!(
                    "blob `{key}` was cut while it was read"
                )))
            }
            Err(error) if error.kind == Kind::NotFound => Err(error),
            Err(error) => {
                self.check_range(key, &range).await?;
                Err(error)
            }
        }
    }

    fn reader(
        &self,
        key: &str,
        range: Range<u64>,
        piece_bytes: u64,
    ) -> Result<Box<dyn BlobReader>> {
        let (objects, place) = (Arc::clone(&self.objects), key::checked(key)?);
        // What has links is a service: each call is a request over the network.
        Ok(match self.links {
            Some(_) => Box::new(AnswerReader::new(objects, place, range)),
            None => Box::new(PieceReader {
                objects,
                place,
                rest: range,
                piece_bytes,
            }),
        })
    }

    async fn size(&self, key: &str) -> Result<u64> {
        let place = key::checked(key)?;
        Ok(in_time(key, self.objects.head(&place)).await?.size)
    }

    async fn fetch(&self, blob: &BlobRef, to: &Path) -> Result<()> {
        // The blob is looked up first, so that a missing one leaves no file.
        let size = self.size(&blob.key).await?;
        let mut file = tokio::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(to)
            .await
            .map_err(|error| not_written(to, error))?;
        let copied = self.copy_out(blob, size, &mut file, to).await;
        if copied.is_err() {
            // The first error is the one to tell; a part of a file helps nobody.
            let _ = tokio::fs::remove_file(to).await;
        }
        copied
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let place = key::checked(key)?;
        fail::at("delete", Moment::Before);
        match in_time(key, self.objects.delete(&place)).await {
            Err(error) if error.kind == Kind::NotFound => {}
            outcome => outcome?,
        }
        fail::at("delete", Moment::After);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let place = key::checked_prefix(prefix)?;
        let mut found = self.objects.list(place.as_ref());
        let mut keys = Vec::new();
        loop {
            let next = async { found.next().await.transpose() };
            match in_time(prefix, next).await {
                Ok(Some(object)) => keys.push(object.location.to_string()),
                Ok(None) => break,
                // A blob that was deleted while its folder was listed.
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn gives_links(&self) -> bool {
        self.links.is_some()
    }

    async fn put_link(&self, blob: &BlobRef, lasts: Duration) -> Result<PutLink> {
        let place = key::checked(&blob.key)?;
        match &self.links {
            Some(signer) => link::to_put(&**signer, &place, blob, lasts).await,
            None => Err(Error::invalid(format!(
                "this storage gives no link to put blob `{place}`"
            ))),
        }
    }
}

/// The deadline that every call on the storage has.
pub(super) async fn in_time<T>(
    key: &str,
    call: impl Future<Output = object_store::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(Duration::from_millis(CALL_MS_MAX), call).await {
        Ok(outcome) => outcome.map_err(|error| blob_error(key, &error)),
        Err(_) => Err(Error::unavailable(format!(
            "the blob storage did not answer within {CALL_MS_MAX} ms on blob `{key}`"
        ))),
    }
}

fn not_written(to: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::AlreadyExists => Kind::Conflict,
        kind => kind_of_io(kind),
    };
    Error::new(kind, format!("file `{}` cannot be written", to.display())).because(error)
}
