//! The data folder while a server has it: made for its user only, and locked so that a second server is refused.
//! Does not know what lies in it.

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
        let mut lock = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_NAME))
            .map_err(|error| cannot(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(taken(&path, &mut lock)),
            Err(std::fs::TryLockError::Error(error)) => return Err(cannot(&path, error)),
        }
        sign(&mut lock).map_err(|error| cannot(&path, error))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn sign(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(std::process::id().to_string().as_bytes())
}

fn taken(path: &Path, lock: &mut File) -> Error {
    let mut pid = String::new();
    let whose = match lock.read_to_string(&mut pid) {
        Ok(1..) => format!(" (process {})", pid.trim()),
        _ => String::new(),
    };
    Error::conflict(format!(
        "data folder `{}` is in use by another server{whose}",
        path.display()
    ))
    .hint("stop that one first, or serve another folder with `--data DIR`")
}

fn cannot(path: &Path, error: std::io::Error) -> Error {
    let what = format!("data folder `{}` cannot be used", path.display());
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Error::denied(what)
                .because(error)
                .hint("name another one with `--data DIR`")
        }
        std::io::ErrorKind::StorageFull => Error::new(onstage_core::Kind::Full, what)
            .because(error)
            .hint("make room on the disk, or name another folder with `--data DIR`"),
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
    fn a_file_is_no_data_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataFolder::take(file.path()).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
    }
}
