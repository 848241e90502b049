//! Removes uploads that were begun and to which nothing came for a day, with the parts that came.
//! Never touches what an upload has become.

use crate::parts::Parts;
use onstage_core::{Kind, Result, Timestamp, upload::UPLOAD_KEPT_MS};

/// Removed in one turn.
const UPLOADS_MAX: u32 = 100;

/// Answers how many were removed.
pub async fn sweep_uploads(parts: &Parts) -> Result<usize> {
    let since = Timestamp(parts.clock.now().0.saturating_sub(UPLOAD_KEPT_MS));
    let idle = parts.store.idle_uploads(since, UPLOADS_MAX).await?;
    for id in &idle {
        let left = match parts.store.remove_upload(id).await {
            Ok(left) => left,
            // Another front was quicker.
            Err(error) if error.kind == Kind::NotFound => continue,
            Err(error) => return Err(error),
        };
        tracing::info!(upload = %id, parts = left.len(), "an upload that stood still is forgotten");
        for part in left {
            parts.blobs.delete(&part.blob.key).await?;
        }
    }
    Ok(idle.len())
}
