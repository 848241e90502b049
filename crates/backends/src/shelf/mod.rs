//! What is brought to this host once for all its processes, as long as there is room: they meet in a folder, by locks on files.
//! Does not know what it keeps, nor where that comes from.

mod entry;
mod room;

pub(crate) use entry::{Entry, Lock};
pub(crate) use room::{make as make_room, sweep};

use crate::durable;
use onstage_core::{Error, Kind, Result};
use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

/// What arrives is made whole under this name.
pub(crate) const WHOLE: &str = "whole";
/// How often something may go between its coming and its taking.
const TRIES_MAX: u32 = 10;

/// A folder of entries; those that were used longest ago make room for others.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    /// What is in use may be more.
    bytes_max: u64,
    /// One entry's way to this host.
    wait_max: Duration,
}

impl Shelf {
    /// What the dead have left there of what was on its way goes.
    pub(crate) fn new(folder: PathBuf, bytes_max: u64, wait_max: Duration) -> Self {
        sweep(&folder);
        Self {
            folder,
            bytes_max,
            wait_max,
        }
    }

    /// The folder of an entry, which stays until the lock is dropped. When it is not there, `bring` makes it, as a folder called
    /// `WHOLE` in the one that it is given, and answers how many bytes it has; whoever comes meanwhile waits. `what` is for people.
    pub(crate) async fn take<F>(
        &self,
        name: &str,
        what: &str,
        bring: impl Fn(Arc<TempDir>) -> F + Send + Sync,
    ) -> Result<(PathBuf, Lock)>
    where
        F: Future<Output = Result<u64>> + Send,
    {
        fs::create_dir_all(&self.folder).map_err(on_disk)?;
        let entry = Entry::at(self.folder.join(name));
        let late = |_| Error::timeout(format!("{what} did not arrive in time"));
        for _ in 0..TRIES_MAX {
            let lock = tokio::time::timeout(self.wait_max, entry.shared()).await;
            let lock = lock.map_err(late)??;
            if entry.is_there() {
                lock.touch();
                return Ok((entry.place().to_owned(), lock));
            }
            drop(lock);
            let made = tokio::time::timeout(self.wait_max, self.make(&entry, &bring)).await;
            made.map_err(late)??;
            room::make(&self.folder, self.bytes_max, Some(&entry))?;
        }
        let text = format!("{what} does not stay on this host");
        Err(Error::unavailable(text).hint("the disk has no room for what is used at once"))
    }

    /// Makes the entry under its lock; whoever comes second finds it.
    async fn make<F>(
        &self,
        entry: &Entry,
        bring: &(impl Fn(Arc<TempDir>) -> F + Send + Sync),
    ) -> Result<()>
    where
        F: Future<Output = Result<u64>> + Send,
    {
        let Some(lock) = entry.to_make(|| entry.is_there()).await? else {
            return Ok(());
        };
        match publish(entry, &lock, bring).await {
            Err(error) if error.kind == Kind::Full => {
                room::make(&self.folder, 0, None)?;
                publish(entry, &lock, bring).await
            }
            outcome => outcome,
        }
    }
}

/// Brings it beside its place and moves it there.
async fn publish<F>(
    entry: &Entry,
    lock: &Lock,
    bring: &(impl Fn(Arc<TempDir>) -> F + Send + Sync),
) -> Result<()>
where
    F: Future<Output = Result<u64>> + Send,
{
    // Threads that bring it go on when their caller does not, and so does what they write to.
    let beside = Arc::new(entry.beside()?);
    let bytes = bring(Arc::clone(&beside)).await?;
    // Before it is there: one whose size is not noted would never make room.
    lock.note_size(bytes)?;
    let place = entry.place().to_owned();
    // Whoever finds the folder later takes it for whole.
    blocking(move || durable::publish(&beside.path().join(WHOLE), &place).map_err(on_disk)).await
}

/// Runs what blocks where it holds nobody up.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("nothing was placed on this host").because(error))?
}

pub(crate) fn on_disk(error: io::Error) -> Error {
    let kind = durable::kind_of_own(error.kind());
    Error::new(kind, "nothing can be placed on this host").because(error)
}

/// The size that is noted beside an entry's place.
#[cfg(test)]
pub(crate) fn noted_size(place: &std::path::Path) -> u64 {
    entry::noted_size(&place.with_extension(entry::LOCK_ENDING))
}
