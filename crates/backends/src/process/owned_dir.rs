//! Temporary folders that a later process sweeps when their owner was killed.
//! Does not know what is put there, but for the process groups that are written down.

use super::groups;
use crate::durable::{self, Passing};
use std::{fs, io, path::Path};

const PREFIX: &str = "onstage-";

/// A folder with access for this user alone, removed with its contents when dropped.
#[derive(Debug)]
pub(super) struct OwnedDir(Passing);

impl OwnedDir {
    /// Makes one in `base`, and removes those that lie there without an owner.
    pub(super) fn create(base: &Path) -> io::Result<Self> {
        fs::create_dir_all(base)?;
        sweep(base);
        Passing::create_only(base, PREFIX).map(Self)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Removes folders without an owner, and ends the process groups that are written down there.
pub(super) fn sweep(base: &Path) {
    durable::sweep(base, PREFIX, groups::end_all);
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
        fs::write(dead.join(".lock"), "").unwrap();
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
