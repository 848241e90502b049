//! Uploads in memory.
//! Must not touch the bytes.

use super::MemoryStore;
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result, Timestamp,
    ports::Uploads,
    upload::{Made, Upload, UploadPart},
    value::BlobRef,
};
use std::collections::BTreeMap;

/// An upload and the parts that came.
pub(super) struct Known {
    upload: Upload,
    parts: BTreeMap<u32, BlobRef>,
}

fn listed(parts: &BTreeMap<u32, BlobRef>) -> Vec<UploadPart> {
    let part = |(number, blob): (&u32, &BlobRef)| UploadPart {
        number: *number,
        blob: blob.clone(),
    };
    parts.iter().map(part).collect()
}

#[async_trait]
impl Uploads for MemoryStore {
    async fn add_upload(&self, upload: Upload) -> Result<()> {
        let mut state = self.lock();
        if state.uploads.contains_key(&upload.id) {
            let text = format!("upload `{}` exists already", upload.id);
            return Err(Error::conflict(text));
        }
        let known = Known {
            upload,
            parts: BTreeMap::new(),
        };
        state.uploads.insert(known.upload.id.clone(), known);
        Ok(())
    }

    async fn upload(&self, id: &Id) -> Result<Option<(Upload, Vec<UploadPart>)>> {
        let state = self.lock();
        let found = state.uploads.get(id);
        Ok(found.map(|known| (known.upload.clone(), listed(&known.parts))))
    }

    async fn put_part(&self, id: &Id, part: UploadPart, now: Timestamp) -> Result<Option<BlobRef>> {
        let mut state = self.lock();
        let known = state.uploads.get_mut(id);
        let known = known.ok_or_else(|| rules::no_upload(id))?;
        if known.upload.made.is_some() {
            return Err(rules::upload_is_complete(id));
        }
        known.upload.touched_at = now;
        Ok(known.parts.insert(part.number, part.blob))
    }

    async fn complete_upload(&self, id: &Id, made: Made) -> Result<()> {
        let mut state = self.lock();
        let known = state.uploads.get_mut(id);
        let known = known.ok_or_else(|| rules::no_upload(id))?;
        known.upload.made.get_or_insert(made);
        known.parts.clear();
        Ok(())
    }

    async fn remove_upload(&self, id: &Id) -> Result<()> {
        let removed = self.lock().uploads.remove(id);
        removed.map(|_| ()).ok_or_else(|| rules::no_upload(id))
    }

    async fn idle_uploads(&self, since: Timestamp, limit: u32) -> Result<Vec<Id>> {
        let state = self.lock();
        let all = state.uploads.values().map(|known| &known.upload);
        let idle = all.filter(|upload| upload.touched_at < since);
        let ids = idle.map(|upload| upload.id.clone());
        Ok(ids.take(limit as usize).collect())
    }
}
