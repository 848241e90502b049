//! The data folder while a server has it, and a store's file outside of it: locked so that a second server is refused.
//! Does not know what lies in them.

use crate::settings::{SQLITE_SCHEME, Settings};
use onstage_core::{Error, Result};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const LOCK_NAME: &str = "serve.lock";

/// A data folder that is ours until this is dropped; the kernel gives it back if we are killed.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder when it is not there. Errors: conflict (another server has it), denied or full (it cannot be written).
    pub(crate) fn take(path: &Path) -> Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| cannot(path, error))?;
        let path = path.canonicalize().map_err(|error| cannot(path, error))?;
        match lock(&path.join(LOCK_NAME)).map_err(|error| cannot(&path, error))? {
            Held::Ours(lock) => Ok(Self { path, _lock: lock }),
            Held::Anothers(whose) => Err(Error::conflict(format!(
                "data folder `{}` is in use by another server{whose}",
                path.display()
            ))
            .hint("stop that one first, or serve another folder with `--data DIR`")),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A SQLite file that a setting names, while a server has it. Several servers would each take the others' predictions for lost.
#[derive(Debug)]
pub(crate) struct StoreFile {
    _lock: File,
}

impl StoreFile {
    /// None when the store lies in the data folder, whose lock is enough, or on a database server.
    pub(crate) fn take(settings: &Settings) -> Result<Option<Self>> {
        let Some(path) = settings.store.strip_prefix(SQLITE_SCHEME).map(Path::new) else {
            return Ok(None);
        };
        if path.starts_with(&settings.data) {
            return Ok(None);
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let shown = path.display();
        let cannot = |error| {
            Error::invalid(format!("store `{shown}` cannot be used"))
                .because(error)
                .hint("its folder must exist and be writable")
        };
        match lock(Path::new(&beside)).map_err(cannot)? {
            Held::Ours(lock) => Ok(Some(Self { _lock: lock })),
            Held::Anothers(whose) => Err(Error::conflict(format!(
                "store `{shown}` is in use by another server{whose}"
            ))
            .hint(
                "a SQLite file has one server; several can share a store on PostgreSQL or MySQL",
            )),
        }
    }
}

enum Held {
    Ours(File),
    /// With what is known about its process.
    Anothers(String),
}

fn lock(path: &Path) -> std::io::Result<Held> {
    let mut lock = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(Held::Anothers(whose(&mut lock))),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    sign(&mut lock)?;
    Ok(Held::Ours(lock))
}

fn sign(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(std::process::id().to_string().as_bytes())
}

fn whose(lock: &mut File) -> String {
    let mut pid = String::new();
    match lock.read_to_string(&mut pid) {
        Ok(1..) => format!(" (process {})", pid.trim()),
        _ => String::new(),
    }
}

fn cannot(path: &Path, error: std::io::Error) -> Error {
    let what = format!("data folder `{}` cannot be used", path.display());
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Error::denied(what)
                .because(error)
                .hint("name another one with `--data DIR`")
        }
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::new(onstage_core::Kind::Full, what)
                .because(error)
                .hint("make room on the disk, or name another folder with `--data DIR`")
        }
        _ => Error::invalid(what)
            .because(error)
            .hint("name another one with `--data DIR`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::Kind;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_has_one_server_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataFolder::take(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let error = DataFolder::take(&path).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(
            error
                .message
                .ends_with(&format!("(process {})", std::process::id())),
            "{error}"
        );
        drop(first);
        DataFolder::take(&path).unwrap();
    }

    #[test]
    fn a_store_file_elsewhere_has_one_server_at_a_time() {
        use crate::{
            environment::Environment,
            settings::{Flags, Layers},
        };
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}/shared.db", folder.path().display());
        let settings = |store: &str| {
            let environment = Environment::of([("HOME", "/nowhere"), ("ONSTAGE_STORE", store)]);
            Settings::of(&Layers::load(&environment, &Flags::default()).unwrap()).unwrap()
        };
        let first = StoreFile::take(&settings(&store)).unwrap();
        assert!(first.is_some());
        let error = StoreFile::take(&settings(&store)).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(error.message.contains("shared.db"), "{error}");
        drop(first);
        assert!(StoreFile::take(&settings(&store)).unwrap().is_some());
        for free in ["", "postgres://db/onstage"] {
            assert!(StoreFile::take(&settings(free)).unwrap().is_none());
            assert_eq!(settings(free).sole_front, free.is_empty());
        }
        assert!(settings(&store).sole_front);
    }

    #[test]
    fn a_file_is_no_data_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataFolder::take(file.path()).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
    }
}
