//! The manifest of a backup: its files with their sizes and digests. A folder without one is no backup.
//! Must not know how files get there.

use onstage_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

pub(super) const DATABASE: &str = "onstage.db";
const NAME: &str = "manifest.json";
/// The form of this file.
const VERSION: u32 = 1;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    /// The Onstage that made it.
    onstage: String,
    /// By path within the backup.
    pub(super) files: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) size_bytes: u64,
    pub(super) sha256: String,
    /// Of the file it was copied from, by which an unchanged one is known.
    pub(super) modified_ns: i64,
}

impl Manifest {
    pub(super) fn of(files: BTreeMap<String, Entry>) -> Self {
        Self {
            version: VERSION,
            onstage: env!("CARGO_PKG_VERSION").to_owned(),
            files,
        }
    }

    /// Errors: not found (no backup), conflict (a newer form), invalid.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        let text = fs::read(folder.join(NAME)).map_err(|error| {
            Error::not_found(format!("`{shown}` is no backup: it has no `{NAME}`")).because(error)
        })?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| {
            Error::invalid(format!("`{NAME}` of backup `{shown}` cannot be read")).because(error)
        })?;
        if manifest.version > VERSION {
            let text = format!(
                "backup `{shown}` was made by a newer Onstage ({})",
                manifest.onstage
            );
            return Err(Error::conflict(text).hint("upgrade Onstage, then restore it"));
        }
        let is_inside = |path: &str| {
            Path::new(path)
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        };
        match manifest.files.keys().find(|path| !is_inside(path)) {
            Some(path) => Err(Error::invalid(format!(
                "backup `{shown}` names the file `{path}`, which lies outside of it"
            ))),
            None => Ok(manifest),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("a manifest is JSON").because(error))?;
        let path = folder.join(NAME);
        fs::write(&path, text).map_err(|error| super::cannot("write", &path, error))
    }

    /// The newest backup in a folder of backups. One that cannot be read is passed over: it only saves copying.
    pub(super) fn newest(place: &Path) -> Result<Option<(PathBuf, Self)>> {
        let mut folders = folders(place)?;
        folders.sort();
        let read = |folder: PathBuf| Some((folder.clone(), Self::read(&folder).ok()?));
        Ok(folders.into_iter().rev().find_map(read))
    }
}

/// The backups within a folder, or the folder itself when it is one.
pub(super) fn folders(place: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(place).map_err(|error| super::cannot("read", place, error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.join(NAME).is_file()).collect())
}

pub(super) fn is_backup(folder: &Path) -> bool {
    folder.join(NAME).is_file()
}
