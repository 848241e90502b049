//! Datasets on this host: fetched once by their digest, archives unpacked, the longest unused making room for others.
//! Knows no reader; processes of one host meet in the folder, by locks on files.

mod arrive;
mod entry;
pub(crate) mod room;
#[cfg(test)]
mod tests;

use crate::durable;
use async_trait::async_trait;
pub(crate) use entry::Entry;
use entry::Lock;
use onstage_core::{
    Error, Kind, Result,
    dataset::Content,
    ports::{Blobs, DatasetPlace, Placed},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// What is kept when nobody says otherwise; datasets in use may be more.
pub const CACHE_BYTES_DEFAULT: u64 = 20 << 30;
/// One dataset's way to this host.
const PLACING_S_MAX: u64 = 4 * 60 * 60;
/// What arrives is made whole under this name.
const WHOLE: &str = "whole";
/// How often a dataset may go between its coming and its taking.
const TRIES_MAX: u32 = 10;

/// A folder of datasets that all processes of this host share.
pub struct HostDatasets {
    folder: PathBuf,
    blobs: Arc<dyn Blobs>,
    bytes_max: u64,
}

impl HostDatasets {
    /// Below `<data>/datasets`.
    pub fn new(data_dir: &Path, blobs: Arc<dyn Blobs>, bytes_max: u64) -> Self {
        let folder = data_dir.join("datasets");
        room::sweep(&folder);
        Self {
            folder,
            blobs,
            bytes_max,
        }
    }

    /// Makes the entry under its lock; whoever comes second finds it.
    async fn make(&self, entry: &Entry, content: &Content) -> Result<()> {
        let wait = Duration::from_secs(PLACING_S_MAX);
        let made = tokio::time::timeout(wait, async {
            let Some(lock) = entry.to_make().await? else {
                return Ok(());
            };
            match self.bring(entry, content, &lock).await {
                Err(error) if error.kind == Kind::Full => {
                    room::make(&self.folder, 0, None)?;
                    self.bring(entry, content, &lock).await
                }
                outcome => outcome,
            }
        });
        made.await.map_err(|_| late(content))??;
        room::make(&self.folder, self.bytes_max, Some(entry))
    }

    /// Fetches it beside its place and moves it there.
    async fn bring(&self, entry: &Entry, content: &Content, lock: &Lock) -> Result<()> {
        // The threads below go on when their caller does not, and so does what they write to.
        let beside = Arc::new(entry.beside()?);
        let fetched = beside.path().join("bytes");
        self.blobs.fetch(&content.blob, &fetched).await?;
        let (format, named) = (content.format, content.named.clone());
        let there = Arc::clone(&beside);
        let laid_out = blocking(move || {
            let whole = there.path().join(WHOLE);
            fs::create_dir(&whole).map_err(on_disk)?;
            arrive::lay_out(&fetched, format, &whole, &named)
        });
        // Before it is there: one whose size is not noted would never make room.
        lock.note_size(laid_out.await?)?;
        let place = entry.place().to_owned();
        // Whoever finds the folder later takes it for whole.
        blocking(move || durable::publish(&beside.path().join(WHOLE), &place).map_err(on_disk))
            .await
    }
}

#[async_trait]
impl DatasetPlace for HostDatasets {
    async fn place(&self, content: &Content) -> Result<Placed> {
        fs::create_dir_all(&self.folder).map_err(on_disk)?;
        let entry = Entry::of(&self.folder, content);
        let wait = Duration::from_secs(PLACING_S_MAX);
        for _ in 0..TRIES_MAX {
            let lock = tokio::time::timeout(wait, entry.shared()).await;
            let lock = lock.map_err(|_| late(content))??;
            if entry.is_there() {
                lock.touch();
                return Ok(Placed::new(entry.path(content)?, lock));
            }
            drop(lock);
            self.make(&entry, content).await?;
        }
        let text = format!("`{}` does not stay here", content.named);
        Err(Error::unavailable(text).hint("the disk has no room for what is used at once"))
    }
}

fn late(content: &Content) -> Error {
    Error::timeout(format!("`{}` did not arrive", content.named))
}

/// Runs what blocks where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a dataset was not unpacked").because(error))?
}

pub(crate) fn on_disk(error: io::Error) -> Error {
    let kind = durable::kind_of_own(error.kind());
    Error::new(kind, "nothing can be placed on this host").because(error)
}
