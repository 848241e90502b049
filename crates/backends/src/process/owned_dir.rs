//! Temporary folders that a later process sweeps when their owner was killed.
//! Does not know what is put there, but for the process groups that are written down.

use super::groups;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const PREFIX: &str = "onstage-";
const LOCK_NAME: &str = ".lock";

/// A folder with access for this user alone, removed with its contents when dropped.
#[derive(Debug)]
pub(super) struct OwnedDir {
    /// Held as long as the folder is in use; after a crash the kernel has freed it.
    _lock: File,
    dir: TempDir,
}

impl OwnedDir {
    /// Makes one in `base`, and removes those that lie there without an owner.
    pub(super) fn create(base: &Path) -> io::Result<Self> {
        fs::create_dir_all(base)?;
        sweep(base);
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
        // Locked before it has its final name: a sweeper never sees the lock file of a living owner unlocked.
        let fresh = dir.path().join(".lock-new");
        let lock = File::create(&fresh)?;
        lock.lock()?;
        fs::rename(&fresh, dir.path().join(LOCK_NAME))?;
        Ok(Self { _lock: lock, dir })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes folders without an owner, and ends the process groups that are written down there.
pub(super) fn sweep(base: &Path) {
    let own_uid = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry
                .metadata()
                .is_ok_and(|meta| meta.is_dir() && meta.uid() == own_uid);
        if ours && abandoned(&entry.path()) {
            groups::end_all(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn abandoned(dir: &Path) -> bool {
    let lock: PathBuf = dir.join(LOCK_NAME);
    // Without a lock file the folder is just being made, or is not ours.
    File::open(lock).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_without_an_owner_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let living = OwnedDir::create(base.path()).unwrap();
        let dead = base.path().join("onstage-dead");
        fs::create_dir(&dead).unwrap();
        File::create(dead.join(LOCK_NAME)).unwrap();
        let foreign = base.path().join("onstage-notes");
        fs::create_dir(&foreign).unwrap();
        let second = OwnedDir::create(base.path()).unwrap();
        assert!(living.path().exists() && second.path().exists() && foreign.exists());
        assert!(!dead.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
