//! Folders for what need not outlive a process: each held by a lock, so that those of dead processes can be swept.
//! Does not know what lies in them.

use onstage_core::{Error, Result};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

const BASE: &str = "scratch";
const LOCK_ENDING: &str = "lock";
/// How often a lock may be swept away between its making and its taking.
const TRIES_MAX: u32 = 10;
const TRY_AGAIN_MS: u64 = 20;

/// A folder of this process; removed when dropped, or by the next process when we are killed.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes an empty folder of this name in the data folder, and sweeps those that nobody holds. Conflict when a living process has it.
    pub(super) fn take(data: &Path, name: &str) -> Result<Self> {
        let base = data.join(BASE);
        let cannot = |error| {
            Error::unavailable(format!("folder `{}` cannot be made", base.display())).because(error)
        };
        fs::create_dir_all(&base).map_err(cannot)?;
        sweep(&base);
        let (path, lock_path) = (base.join(name), base.join(format!("{name}.{LOCK_ENDING}")));
        let lock = lock(&lock_path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::conflict(format!(
                "folder `{}` is in use by another process",
                path.display()
            )),
            _ => cannot(error),
        })?;
        fs::create_dir_all(&path).map_err(cannot)?;
        Ok(Self {
            path,
            lock_path,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path, &self.lock_path);
    }
}

/// Takes the lock, again when a sweeper holds it for a moment or removed the file before we had it. A holder that lives is not waited for.
fn lock(path: &Path) -> io::Result<File> {
    let mut held = false;
    for tried in 0..TRIES_MAX {
        if tried > 0 {
            std::thread::sleep(Duration::from_millis(TRY_AGAIN_MS));
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        held = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        if held {
            continue;
        }
        let still_there = fs::metadata(path)
            .is_ok_and(|there| file.metadata().is_ok_and(|ours| ours.ino() == there.ino()));
        if still_there {
            return Ok(file);
        }
    }
    Err(if held {
        io::ErrorKind::WouldBlock.into()
    } else {
        io::Error::other("its lock is swept away again and again")
    })
}

fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let lock_path = entry.path();
        if lock_path
            .extension()
            .is_none_or(|ending| ending != LOCK_ENDING)
        {
            continue;
        }
        let Ok(file) = OpenOptions::new().write(true).open(&lock_path) else {
            continue;
        };
        if file.try_lock().is_ok() {
            remove(&lock_path.with_extension(""), &lock_path);
        }
    }
}

/// The folder first: a lock without a folder is swept later, a folder without a lock never.
fn remove(path: &Path, lock_path: &Path) {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::remove_file(lock_path),
    };
    if let Err(error) = removed {
        tracing::debug!(%error, path = %path.display(), "a scratch folder stays for the next sweep");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_folders_stay_and_forgotten_ones_are_swept() {
        let data = tempfile::tempdir().unwrap();
        let held = Scratch::take(data.path(), "front").unwrap();
        fs::write(held.path().join("mine"), "x").unwrap();
        let base = data.path().join(BASE);
        fs::create_dir(base.join("dead")).unwrap();
        fs::write(base.join("dead/left"), "x").unwrap();
        fs::write(base.join("dead.lock"), "").unwrap();
        let second = Scratch::take(data.path(), "task-1").unwrap();
        assert!(held.path().join("mine").exists());
        assert!(!base.join("dead").exists() && !base.join("dead.lock").exists());
        drop((held, second));
        assert_eq!(fs::read_dir(&base).unwrap().count(), 0);
    }
    #[test]
    fn a_doubled_task_is_refused_at_once() {
        let data = tempfile::tempdir().unwrap();
        let first = Scratch::take(data.path(), "task-1").unwrap();
        let second = Scratch::take(data.path(), "task-1").unwrap_err();
        assert_eq!(second.kind, onstage_core::Kind::Conflict);
        assert!(first.path().exists(), "the first goes on");
        drop(first);
        Scratch::take(data.path(), "task-1").unwrap();
    }
}
