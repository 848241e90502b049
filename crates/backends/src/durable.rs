//! Folders that are whole or not there, also after a power cut.
//! Does not know what lies in them.

use crate::fail::{self, Moment};
use std::{fs, io, path::Path};

/// Moves a finished folder to its place, from where it is trusted to be whole: its files reach the disk first.
pub(crate) fn publish(folder: &Path, place: &Path) -> io::Result<()> {
    fail::at("publish", Moment::Before);
    sync_tree(folder)?;
    fs::rename(folder, place)?;
    if let Some(parent) = place.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    fail::at("publish", Moment::After);
    Ok(())
}

/// Brings everything below a folder to the disk.
pub(crate) fn sync_tree(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(fs::File::open(folder)?)?;
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
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

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
