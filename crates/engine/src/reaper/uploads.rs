//! Removes uploads that were begun and to which nothing came for a day, with the parts that came and what they were put together to.
//! Never touches what an upload has become.

use crate::parts::Parts;
use onstage_core::{
    Id, Kind, Result, Timestamp,
    dataset::DatasetName,
    limits::PAGE_ROWS_MAX,
    ports::{Blobs, Page},
    upload::{UPLOAD_KEPT_MS, Upload},
};
use std::collections::BTreeSet;

/// Removed in one turn.
const UPLOADS_MAX: u32 = 100;

/// Answers how many were removed.
pub async fn sweep_uploads(parts: &Parts) -> Result<usize> {
    let since = Timestamp(parts.clock.now().0.saturating_sub(UPLOAD_KEPT_MS));
    let idle = parts.store.idle_uploads(since, UPLOADS_MAX).await?;
    for id in &idle {
        let Some((upload, _)) = parts.store.upload(id).await? else {
            continue;
        };
        match parts.store.remove_upload(id).await {
            Ok(()) => {}
            // Another front was quicker.
            Err(error) if error.kind == Kind::NotFound => continue,
            Err(error) => return Err(error),
        }
        tracing::info!(upload = %id, "an upload that stood still is forgotten");
        clear_parts(&*parts.blobs, id).await?;
        clear_whole(parts, &upload).await?;
    }
    Ok(idle.len())
}

/// Removes parts of uploads that are no more: where parts go past the front, a link may be used after that.
pub async fn sweep_orphans(parts: &Parts) -> Result<()> {
    if !parts.blobs.gives_links() {
        return Ok(());
    }
    let keys = parts.blobs.list("uploads/").await?;
    let ids: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| key.split('/').nth(1))
        .collect();
    for id in ids {
        let Ok(id) = id.parse::<Id>() else {
            continue;
        };
        // A part never comes before the record of its upload.
        if parts.store.upload(&id).await?.is_none() {
            tracing::info!(upload = %id, "parts that came when their upload was gone are removed");
            clear_parts(&*parts.blobs, &id).await?;
        }
    }
    Ok(())
}

/// Removes every part of an upload, also those that were never noted because their front died.
pub async fn clear_parts(blobs: &dyn Blobs, id: &Id) -> Result<()> {
    for key in blobs.list(&format!("uploads/{id}/")).await? {
        blobs.delete(&key).await?;
    }
    Ok(())
}

/// Removes what an upload that is no more was put together to, when nobody made anything of it.
pub async fn clear_whole(parts: &Parts, upload: &Upload) -> Result<()> {
    let key = upload.whole_key();
    if upload.made.is_some() {
        return Ok(());
    }
    match parts.blobs.size(&key).await {
        Err(error) if error.kind == Kind::NotFound => return Ok(()),
        outcome => outcome?,
    };
    // What was made of it may not have been noted.
    let is_kept = match upload.dataset {
        Some(_) => a_version_has(parts, &key).await?,
        None => parts.store.file(&upload.id).await?.is_some(),
    };
    match is_kept {
        true => Ok(()),
        false => parts.blobs.delete(&key).await,
    }
}

/// Whether a version of any dataset has the blob: equal bytes are kept once, so that it may be another's by now.
async fn a_version_has(parts: &Parts, key: &str) -> Result<bool> {
    let mut page = Page {
        after: None,
        limit: PAGE_ROWS_MAX,
    };
    loop {
        let datasets = parts.store.datasets(page.clone()).await?;
        for dataset in datasets.rows {
            if has_version_with(parts, &dataset.newest.dataset, key).await? {
                return Ok(true);
            }
        }
        page.after = datasets.next;
        if page.after.is_none() {
            return Ok(false);
        }
    }
}

async fn has_version_with(parts: &Parts, name: &DatasetName, key: &str) -> Result<bool> {
    let mut page = Page {
        after: None,
        limit: PAGE_ROWS_MAX,
    };
    loop {
        let versions = parts.store.dataset_versions(name, page.clone()).await?;
        if versions.rows.iter().any(|it| it.blob.key == key) {
            return Ok(true);
        }
        page.after = versions.next;
        if page.after.is_none() {
            return Ok(false);
        }
    }
}
