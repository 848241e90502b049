//! Removes uploads that were begun and to which nothing came for a day, with the parts that came.
//! Never touches what an upload has become.

use crate::parts::Parts;
use onstage_core::{Id, Kind, Result, Timestamp, ports::Blobs, upload::UPLOAD_KEPT_MS};

/// Removed in one turn.
const UPLOADS_MAX: u32 = 100;

/// Answers how many were removed.
pub async fn sweep_uploads(parts: &Parts) -> Result<usize> {
    let since = Timestamp(parts.clock.now().0.saturating_sub(UPLOAD_KEPT_MS));
    let idle = parts.store.idle_uploads(since, UPLOADS_MAX).await?;
    for id in &idle {
        match parts.store.remove_upload(id).await {
            Ok(()) => {}
            // Another front was quicker.
            Err(error) if error.kind == Kind::NotFound => continue,
            Err(error) => return Err(error),
        }
        tracing::info!(upload = %id, "an upload that stood still is forgotten");
        clear_upload(&*parts.blobs, id).await?;
    }
    Ok(idle.len())
}

/// Removes every part of an upload that is no more, also those that were never noted because their front died.
pub async fn clear_upload(blobs: &dyn Blobs, id: &Id) -> Result<()> {
    for key in blobs.list(&format!("uploads/{id}/")).await? {
        blobs.delete(&key).await?;
    }
    Ok(())
}
