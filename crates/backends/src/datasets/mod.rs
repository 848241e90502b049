//! Datasets on this host: fetched once by their digest, archives unpacked.
//! Knows no reader.

mod arrive;
mod named;
#[cfg(test)]
mod tests;

use crate::shelf::{Shelf, WHOLE, blocking, on_disk};
use async_trait::async_trait;
use onstage_core::{
    Result,
    dataset::Content,
    ports::{Blobs, DatasetPlace, Placed},
};
use std::{fs, path::Path, sync::Arc, time::Duration};

/// What is kept when nobody says otherwise; datasets in use may be more.
pub const CACHE_BYTES_DEFAULT: u64 = 20 << 30;
/// One dataset's way to this host.
const PLACING_S_MAX: u64 = 4 * 60 * 60;

/// A folder of datasets that all processes of this host share.
pub struct HostDatasets {
    shelf: Shelf,
    blobs: Arc<dyn Blobs>,
}

impl HostDatasets {
    /// Below `<data>/datasets`.
    pub fn new(data_dir: &Path, blobs: Arc<dyn Blobs>, bytes_max: u64) -> Self {
        let wait_max = Duration::from_secs(PLACING_S_MAX);
        Self {
            shelf: Shelf::new(data_dir.join("datasets"), bytes_max, wait_max),
            blobs,
        }
    }
}

#[async_trait]
impl DatasetPlace for HostDatasets {
    async fn place(&self, content: &Content) -> Result<Placed> {
        let (name, what) = (named::entry(content), format!("`{}`", content.named));
        let taken = self.shelf.take(&name, &what, |beside| async move {
            let fetched = beside.path().join("bytes");
            self.blobs.fetch(&content.blob, &fetched).await?;
            let (format, named) = (content.format, content.named.clone());
            blocking(move || {
                let whole = beside.path().join(WHOLE);
                fs::create_dir(&whole).map_err(on_disk)?;
                arrive::lay_out(&fetched, format, &whole, &named)
            })
            .await
        });
        let (entry, lock) = taken.await?;
        Ok(Placed::new(named::path(&entry, content)?, lock))
    }
}
