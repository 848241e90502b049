//! Folders that are whole or not there, also after a power cut, and what a disk's errors mean.
//! Does not know what lies in them.

use crate::fail::{self, Moment};
use onstage_core::Kind;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};
use tempfile::TempDir;

const LOCK_NAME: &str = ".lock";

/// A folder for what is not whole yet or does not outlive its maker: removed with its contents when dropped, or by whoever comes next
/// when the maker was killed. Access is for this user alone.
#[derive(Debug)]
pub(crate) struct Passing {
    /// Held as long as the folder is in use; after a crash the kernel has freed it.
    _lock: File,
    dir: TempDir,
}

impl Passing {
    /// Makes one in `base`, after those that lie there without a maker are removed. Blocks.
    pub(crate) fn create(base: &Path, prefix: &str) -> io::Result<Self> {
        sweep(base, prefix, |_| {});
        Self::create_only(base, prefix)
    }

    /// Makes one and looks at no other.
    pub(crate) fn create_only(base: &Path, prefix: &str) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir_in(base)?;
        // Locked before it has its final name: a sweeper never sees the lock file of a living maker unlocked.
        let fresh = dir.path().join(".lock-new");
        let lock = File::create(&fresh)?;
        // On a disk that knows no locks nobody sweeps.
        if lock.try_lock().is_ok() {
            fs::rename(&fresh, dir.path().join(LOCK_NAME))?;
        }
        Ok(Self { _lock: lock, dir })
    }

    /// The same from where nothing may block.
    pub(crate) async fn create_aside(base: &Path, prefix: &'static str) -> io::Result<Self> {
        let base = base.to_owned();
        let made = tokio::task::spawn_blocking(move || Self::create(&base, prefix));
        made.await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes folders whose makers are gone; `before` each it may do something else.
pub(crate) fn sweep(base: &Path, prefix: &str, before: impl Fn(&Path)) {
    let own_uid = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix)
            && entry
                .metadata()
                .is_ok_and(|meta| meta.is_dir() && meta.uid() == own_uid);
        if ours && abandoned(&entry.path()) {
            before(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn abandoned(dir: &Path) -> bool {
    // Without a lock file the folder is just being made, or is not ours.
    File::open(dir.join(LOCK_NAME)).is_ok_and(|file| file.try_lock().is_ok())
}

/// What is gone by now is no error.
pub(crate) fn if_there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an error of the file system means.
pub(crate) fn kind_of_io(kind: io::ErrorKind) -> Kind {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Kind::Full
        }
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
        _ => Kind::Unavailable,
    }
}

/// The same for a place of our own: nobody asked for it, so that nobody is told that it is missing or forbidden.
pub(crate) fn kind_of_own(kind: io::ErrorKind) -> Kind {
    match kind_of_io(kind) {
        Kind::Full => Kind::Full,
        _ => Kind::Unavailable,
    }
}

/// Moves a finished folder to its place, from where it is trusted to be whole: its files reach the disk first.
pub(crate) fn publish(folder: &Path, place: &Path) -> io::Result<()> {
    fail::at("publish", Moment::Before);
    sync_tree(folder)?;
    fs::rename(folder, place)?;
    if let Some(parent) = place.parent() {
        File::open(parent)?.sync_all()?;
    }
    fail::at("publish", Moment::After);
    Ok(())
}

/// Brings everything below a folder to the disk.
pub(crate) fn sync_tree(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(File::open(folder)?)?;
    #[cfg(not(target_os = "linux"))]
    sync_each(folder)?;
    Ok(())
}

/// File by file, where the system cannot do it at once.
#[cfg(any(test, not(target_os = "linux")))]
fn sync_each(path: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        return Ok(());
    }
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_each(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_gone_makers_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let make = || Passing::create(base.path(), ".making-").unwrap();
        let living = make();
        let dead = base.path().join(".making-dead");
        fs::create_dir_all(dead.join("deep")).unwrap();
        File::create(dead.join(LOCK_NAME)).unwrap();
        let others = ["making-x", ".making-unlocked"].map(|name| base.path().join(name));
        for other in &others {
            fs::create_dir(other).unwrap();
        }
        File::create(others[0].join(LOCK_NAME)).unwrap();
        let second = make();
        assert!(living.path().exists() && second.path().exists() && !dead.exists());
        assert!(others.iter().all(|other| other.exists()));
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_is_moved_whole() {
        let base = tempfile::tempdir().unwrap();
        let (from, to) = (base.path().join("new"), base.path().join("place"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/file"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", from.join("link")).unwrap();
        sync_each(&from).unwrap();
        publish(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("deep/file")).unwrap(), b"x");
        assert!(!from.exists());
        assert!(publish(&from, &to).is_err(), "there is nothing to move");
    }
}
