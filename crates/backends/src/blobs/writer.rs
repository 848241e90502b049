//! Writing a blob: hashed on the way, small ones put in one call, large ones in parts; invisible until whole.
//! Must not hold more than a few parts in memory.

use super::{error::blob_error, objects::in_time};
use crate::{
    fail::{self, Moment},
    hex::hex,
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutPayload, path::Path,
};
use onstage_core::{Error, Result, ports::BlobWriter, value::BlobRef};
use sha2::{Digest, Sha256};
use std::{collections::VecDeque, sync::Arc};
use tokio::task::JoinHandle;

/// Parts on their way at once.
const PARTS_IN_FLIGHT_MAX: usize = 2;

type Part = JoinHandle<Option<object_store::Result<()>>>;

pub(super) struct Writer {
    objects: Arc<dyn ObjectStore>,
    place: Path,
    part_bytes: usize,
    /// Behind a network.
    is_remote: bool,
    hash: Sha256,
    size_bytes: u64,
    rest: BytesMut,
    upload: Option<Box<dyn MultipartUpload>>,
    /// Those on their way, with what they are.
    parts: VecDeque<(Part, Bytes)>,
    /// Room of parts that have arrived: allocating it anew each time, a long blob would leave the process large.
    spare: Vec<BytesMut>,
    /// A piece was lost, so that the blob can never be whole.
    broken: bool,
}

impl Writer {
    pub(super) fn new(
        objects: Arc<dyn ObjectStore>,
        place: Path,
        part_bytes: usize,
        is_remote: bool,
    ) -> Self {
        Self {
            objects,
            place,
            part_bytes,
            is_remote,
            hash: Sha256::new(),
            size_bytes: 0,
            rest: BytesMut::new(),
            upload: None,
            parts: VecDeque::new(),
            spare: Vec::new(),
            broken: false,
        }
    }

    async fn take_in(&mut self, mut bytes: Bytes) -> Result<()> {
        self.hash.update(&bytes);
        self.size_bytes += bytes.len() as u64;
        while self.rest.len() + bytes.len() >= self.part_bytes {
            let fits = bytes.split_to(self.part_bytes - self.rest.len());
            self.rest.extend_from_slice(&fits);
            self.make_way().await?;
            let room = self.spare.pop();
            let room = room.unwrap_or_else(|| BytesMut::with_capacity(self.part_bytes));
            let part = std::mem::replace(&mut self.rest, room).freeze();
            self.send_part(part).await?;
        }
        self.rest.extend_from_slice(&bytes);
        Ok(())
    }

    async fn make_way(&mut self) -> Result<()> {
        while self.parts.len() >= PARTS_IN_FLIGHT_MAX {
            self.wait_for_part().await?;
        }
        Ok(())
    }

    async fn send_part(&mut self, part: Bytes) -> Result<()> {
        if self.upload.is_none() {
            let options = PutMultipartOptions::default();
            let begin = self.objects.put_multipart_opts(&self.place, options);
            self.upload = Some(in_time(self.place.as_ref(), begin).await?);
        }
        let upload = self.upload.as_mut();
        let upload = upload.ok_or_else(|| Error::internal("an upload was begun"))?;
        let sent = upload.put_part(PutPayload::from_bytes(part.clone()));
        let sent = crate::spawn::spawn("blob part", sent);
        self.parts.push_back((sent, part));
        Ok(())
    }

    /// Waits for the oldest part on its way.
    async fn wait_for_part(&mut self) -> Result<()> {
        let Some((part, bytes)) = self.parts.pop_front() else {
            return Ok(());
        };
        let gone = || Error::unavailable(format!("a part of blob `{}` was not sent", self.place));
        let joined = in_time(self.place.as_ref(), async { Ok(part.await) }).await?;
        let sent = joined.map_err(|error| gone().because(error))?;
        let sent = sent.ok_or_else(gone)?;
        sent.map_err(|error| blob_error(self.place.as_ref(), &error))?;
        if let Ok(mut room) = bytes.try_into_mut() {
            room.clear();
            self.spare.push(room);
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<()> {
        let rest = self.rest.split().freeze();
        if self.upload.is_none() {
            let payload = PutPayload::from_bytes(rest);
            let put = self.objects.put(&self.place, payload);
            return in_time(self.place.as_ref(), put).await.map(|_| ());
        }
        if !rest.is_empty() {
            self.make_way().await?;
            self.send_part(rest).await?;
        }
        while !self.parts.is_empty() {
            self.wait_for_part().await?;
        }
        if let Some(upload) = &mut self.upload {
            let completed = in_time(self.place.as_ref(), upload.complete()).await;
            if let Err(error) = completed {
                // Over a network, the answer to what was done may be lost, and the upload not be known any more when it is asked
                // for again.
                let done =
                    self.is_remote && is_there(&*self.objects, &self.place, self.size_bytes).await;
                if !done {
                    return Err(error);
                }
            }
        }
        self.upload = None;
        Ok(())
    }
}

/// Whether an object of this size is there.
async fn is_there(objects: &dyn ObjectStore, place: &Path, size_bytes: u64) -> bool {
    let found = in_time(place.as_ref(), objects.head(place)).await;
    found.is_ok_and(|found| found.size == size_bytes)
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let written = self.take_in(bytes).await;
        self.broken |= written.is_err();
        written
    }

    async fn finish(mut self: Box<Self>) -> Result<BlobRef> {
        if self.broken {
            let text = format!("blob `{}` lost a piece while it was written", self.place);
            return Err(Error::unavailable(text).hint("write it again from its beginning"));
        }
        fail::at("put", Moment::Before);
        self.complete().await?;
        fail::at("put", Moment::After);
        let hash = std::mem::take(&mut self.hash).finalize();
        Ok(BlobRef {
            key: self.place.to_string(),
            size_bytes: self.size_bytes,
            sha256: hex(&hash),
        })
    }
}

/// An upload that was begun and not completed is taken back: parts on S3 would cost money for ever.
impl Drop for Writer {
    fn drop(&mut self) {
        for (part, _) in &self.parts {
            part.abort();
        }
        let Some(mut upload) = self.upload.take() else {
            return;
        };
        if tokio::runtime::Handle::try_current().is_ok() {
            let place = self.place.clone();
            crate::spawn::spawn("blob upload abort", async move {
                if let Err(error) = upload.abort().await {
                    tracing::debug!(%error, blob = %place, "a begun upload was not taken back");
                }
            });
        }
    }
}
