//! Blobs in a folder: opened with syncing on, and swept of what dead writers left.
//! Must not know what a blob holds.

use crate::{
    clock::SystemClock,
    durable::{if_there, kind_of_io},
};
use object_store::{ObjectStore, local::LocalFileSystem};
use onstage_core::{Clock, Error, Result, Timestamp};
use std::{
    fs, io, os::unix::fs::DirBuilderExt, path::Path, path::PathBuf, sync::Arc, time::Duration,
};

/// A staged file that nobody wrote to for so long has no writer any more.
const STALE_MS: u64 = 60 * 60 * 1000;
/// Only their owner looks into the blobs: they hold people's inputs.
const OWNER_ONLY: u32 = 0o700;

/// The folder as an object store whose writes are synced, file and folder both.
pub(super) fn open(path: &Path) -> Result<Arc<dyn ObjectStore>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY)
        .create(path)
        .map_err(|error| not_opened(path, error))?;
    let objects = LocalFileSystem::new_with_prefix(path).map_err(|error| {
        Error::unavailable(format!("blob folder `{}` cannot be opened", path.display()))
            .because(error)
    })?;
    Ok(Arc::new(
        objects.with_fsync(true).with_automatic_cleanup(true),
    ))
}

fn not_opened(path: &Path, error: io::Error) -> Error {
    let text = format!("blob folder `{}` cannot be made", path.display());
    Error::new(kind_of_io(error.kind()), text).because(error)
}

/// Sweeps a folder now and then, off the runtime's threads; what fails is tried again at the next turn.
pub(super) async fn sweep_now_and_then(path: PathBuf) {
    loop {
        let (path, now) = (path.clone(), SystemClock::new().now());
        let swept = tokio::task::spawn_blocking(move || sweep(&path, now)).await;
        match swept {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(files)) => tracing::info!(files, "removed half-written blobs of dead writers"),
            Ok(Err(error)) => tracing::warn!(%error, "the blob folder was not swept"),
        }
        tokio::time::sleep(Duration::from_millis(STALE_MS)).await;
    }
}

/// Removes staged files that stood still for `STALE_MS`; answers how many.
pub(super) fn sweep(folder: &Path, now: Timestamp) -> io::Result<u64> {
    let mut removed = 0;
    // Folders and files come and go meanwhile.
    let Some(entries) = if_there(fs::read_dir(folder))? else {
        return Ok(0);
    };
    for entry in entries {
        let entry = entry?;
        let Some(kind) = if_there(entry.file_type())? else {
            continue;
        };
        if kind.is_dir() {
            removed += sweep(&entry.path(), now)?;
        } else if kind.is_file() && is_staged(&entry.file_name()) && is_stale(&entry, now) {
            removed += u64::from(if_there(fs::remove_file(entry.path()))?.is_some());
        }
    }
    Ok(removed)
}

/// `name#7`: how the object store names a file before it is whole. A key cannot hold `#`.
fn is_staged(name: &std::ffi::OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.rsplit_once('#'));
    number
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn is_stale(entry: &fs::DirEntry, now: Timestamp) -> bool {
    let changed = entry.metadata().and_then(|facts| facts.modified());
    let since_epoch =
        changed.map(|at| at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default());
    since_epoch.is_ok_and(|since| {
        let changed = Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        now.since(changed) >= Duration::from_millis(STALE_MS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stale_staged_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        for name in ["whole", "whole#1", "other#23", "odd#x", "odd#"] {
            fs::write(deep.join(name), "x").unwrap();
        }
        let now = SystemClock::new().now();
        assert_eq!(sweep(&folder.path().join("gone"), now).unwrap(), 0);
        assert_eq!(
            sweep(folder.path(), now).unwrap(),
            0,
            "a writer may be at work"
        );
        let later = now.plus(Duration::from_millis(STALE_MS + 60_000));
        assert_eq!(sweep(folder.path(), later).unwrap(), 2);
        let mut left: Vec<_> = fs::read_dir(&deep)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["odd#", "odd#x", "whole"]);
    }
}
