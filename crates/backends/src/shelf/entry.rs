//! One entry in the folder and the lock beside it: shared by who reads it, taken alone by who makes or removes it.
//! Does not fetch anything.

use super::on_disk;
use onstage_core::Result;
use std::{
    fs::{self, File, FileTimes, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

pub(super) const LOCK_ENDING: &str = "lock";
/// What is on its way lies in folders called so, then by its entry.
pub(super) const ARRIVING: &str = ".arriving-";
/// What an earlier program called those of parcels.
pub(super) const ARRIVING_BEFORE: &str = ".placing-";
const LOOK_AGAIN_MS: u64 = 50;

#[derive(Clone)]
pub(crate) struct Entry {
    place: PathBuf,
    lock: PathBuf,
}

/// A held lock; the kernel frees it when its holder dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

#[derive(Clone, Copy)]
enum How {
    Shared,
    Alone,
}

impl Entry {
    pub(crate) fn at(place: PathBuf) -> Self {
        Self {
            lock: place.with_extension(LOCK_ENDING),
            place,
        }
    }

    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    pub(crate) fn is_there(&self) -> bool {
        self.place.is_dir()
    }

    pub(crate) async fn shared(&self) -> Result<Lock> {
        loop {
            if let Some(lock) = self.try_lock(How::Shared)? {
                return Ok(lock);
            }
            look_again().await;
        }
    }

    /// The lock for who makes the entry; `None` once another has made it, for those who read it hold it for as long as they like.
    pub(crate) async fn to_make(&self, is_made: impl Fn() -> bool) -> Result<Option<Lock>> {
        loop {
            let lock = self.try_lock(How::Alone)?;
            if is_made() {
                return Ok(None);
            }
            if lock.is_some() {
                return Ok(lock);
            }
            look_again().await;
        }
    }

    /// Alone, or not at all when somebody has it.
    pub(super) fn alone_now(&self) -> Result<Option<Lock>> {
        self.try_lock(How::Alone)
    }

    fn try_lock(&self, how: How) -> Result<Option<Lock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&self.lock)
            .map_err(on_disk)?;
        let tried = match how {
            How::Shared => file.try_lock_shared(),
            How::Alone => file.try_lock(),
        };
        match tried {
            // One that was removed meanwhile locks nothing.
            Ok(()) if self.is_ours(&file) => Ok(Some(Lock { file })),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(on_disk(error)),
        }
    }

    fn is_ours(&self, file: &File) -> bool {
        let there = fs::metadata(&self.lock).map(|there| there.ino());
        file.metadata()
            .is_ok_and(|ours| there.is_ok_and(|there| there == ours.ino()))
    }

    /// A folder for the bytes on their way here. What somebody who died had left of theirs goes first. Under the lock that is held alone.
    pub(crate) fn beside(&self) -> Result<TempDir> {
        let (folder, prefix) = (self.folder(), self.arriving());
        for found in fs::read_dir(folder).map_err(on_disk)? {
            let found = found.map_err(on_disk)?;
            if found.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_dir_all(found.path()).map_err(on_disk)?;
            }
        }
        tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(folder)
            .map_err(on_disk)
    }

    /// What somebody who died had left there of what was on its way; those who live hold its lock.
    pub(super) fn forget_arriving(folder: &Path, found: &str) {
        let name = found
            .strip_prefix(ARRIVING)
            .and_then(|rest| rest.rsplit_once('-'));
        let entry = name.map(|(name, _)| Self::at(folder.join(name)));
        let lock = match entry.as_ref().map(Self::alone_now) {
            Some(Ok(Some(lock))) => Some(lock),
            // Of an earlier program, which named them after nothing.
            None => None,
            Some(_) => return,
        };
        let gone = fs::remove_dir_all(folder.join(found));
        tracing::info!(
            found,
            ?gone,
            "what was on its way to this host when somebody died is removed"
        );
        if let (Some(entry), Some(lock)) = (entry, lock)
            && !entry.is_there()
        {
            let _ = entry.remove(lock);
        }
    }

    fn folder(&self) -> &Path {
        self.place.parent().unwrap_or(Path::new("."))
    }

    fn arriving(&self) -> String {
        let name = self.place.file_name().unwrap_or_default().to_string_lossy();
        format!("{ARRIVING}{name}-")
    }

    /// Under the lock that is held alone. The lock goes last, so that nothing is left that nobody would find.
    pub(super) fn remove(&self, _lock: Lock) -> Result<()> {
        // Nobody may take what is half gone for whole.
        let going = self.folder().join(format!("{}gone", self.arriving()));
        match fs::rename(&self.place, &going) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(on_disk(error)),
            Err(_) => {}
            Ok(()) => fs::remove_dir_all(&going).map_err(on_disk)?,
        }
        fs::remove_file(&self.lock).map_err(on_disk)
    }
}

async fn look_again() {
    tokio::time::sleep(Duration::from_millis(LOOK_AGAIN_MS)).await;
}

impl Lock {
    /// Says that it was used now.
    pub(crate) fn touch(&self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the time of a file, which no decision of a record hangs on"
        )]
        let now = SystemTime::now();
        if let Err(error) = self.file.set_times(FileTimes::new().set_modified(now)) {
            tracing::debug!(%error, "when an entry was used is not noted");
        }
    }

    /// Zero when it was not noted.
    pub(crate) fn noted_size(&self) -> u64 {
        let mut file = &self.file;
        file.rewind().map_or(0, |()| size_in(file))
    }

    pub(crate) fn note_size(&self, bytes: u64) -> Result<()> {
        let mut file = &self.file;
        file.set_len(0).map_err(on_disk)?;
        file.rewind().map_err(on_disk)?;
        write!(file, "{bytes}").map_err(on_disk)
    }
}

/// How many bytes an entry has; zero when that was not noted.
pub(super) fn noted_size(lock: &Path) -> u64 {
    File::open(lock).map_or(0, |file| size_in(&file))
}

fn size_in(file: &File) -> u64 {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    read.ok()
        .and_then(|_| text.trim().parse().ok())
        .unwrap_or(0)
}
