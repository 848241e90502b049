//! Which files of a model folder belong to its bundle.
//! Does not write archives.

use super::{ENTRIES_MAX, UNPACKED_BYTES_MAX, glob::covers};
use crate::archive::path::{self, Paths};
use onstage_core::{Error, Result};
use std::{
    fs::{self, DirEntry},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Names that are never packed: what tools leave behind, and `.env`, whose secrets belong in `[secrets]`.
const SKIPPED_NAMES: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".venv",
    ".onstage",
    ".env",
    ".cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
    ".tox",
    ".nox",
    ".idea",
    ".vscode",
    ".DS_Store",
    "__pycache__",
    "node_modules",
];

/// Packed even when `include` does not name them, because a bundle without them is never meant.
const ALWAYS: &[&str] = &["onstage.toml", "requirements.txt", "cog.yaml", "Dockerfile"];

/// A file of the bundle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Relative, with `/`.
    pub(super) path: String,
    pub(super) on_disk: PathBuf,
    pub(super) size_bytes: u64,
    pub(super) executable: bool,
}

/// The files to pack, sorted by path. Errors: invalid (a limit, a link to a folder, names that clash), not found.
pub(super) fn files(folder: &Path, include: &[String], exclude: &[String]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((on_disk, prefix)) = folders.pop() {
        for entry in read_folder(&on_disk)? {
            let path = relative(&prefix, &entry)?;
            if skipped(&entry, &path, exclude) {
                continue;
            }
            match sort_of(&entry, &path)? {
                Sort::Folder => folders.push((entry.path(), path)),
                Sort::File(found_file) if wanted(&path, include) => found.push(found_file),
                Sort::File(_) | Sort::Other => {}
            }
            if found.len() + folders.len() > ENTRIES_MAX {
                return Err(too_many(folder));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    check(&found)?;
    Ok(found)
}

fn read_folder(on_disk: &Path) -> Result<Vec<DirEntry>> {
    fs::read_dir(on_disk)
        .and_then(Iterator::collect)
        .map_err(|error| {
            Error::not_found(format!("folder `{}` cannot be read", on_disk.display()))
                .because(error)
        })
}

fn relative(prefix: &str, entry: &DirEntry) -> Result<String> {
    let name = entry.file_name().into_string().map_err(|name| {
        Error::invalid(format!(
            "file `{}` has a name that is not UTF-8",
            name.display()
        ))
        .hint("rename it, or list it under `exclude` in `[environment]`")
    })?;
    Ok(if prefix.is_empty() {
        name
    } else {
        format!("{prefix}/{name}")
    })
}

fn skipped(entry: &DirEntry, path: &str, exclude: &[String]) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    SKIPPED_NAMES.contains(&name.as_ref())
        || name.ends_with(".pyc")
        || entry.path().join("pyvenv.cfg").exists()
        || exclude.iter().any(|pattern| covers(pattern, path))
}

fn wanted(path: &str, include: &[String]) -> bool {
    include.is_empty()
        || ALWAYS.contains(&path)
        || path.starts_with("examples/")
        || (!path.contains('/') && path.ends_with(".py"))
        || include.iter().any(|pattern| covers(pattern, path))
}

enum Sort {
    Folder,
    File(Found),
    Other,
}

/// A link to a file is packed as that file; a link to a folder is refused, because it may lead round in circles.
fn sort_of(entry: &DirEntry, path: &str) -> Result<Sort> {
    let gone = |error| Error::invalid(format!("file `{path}` cannot be read")).because(error);
    let on_disk = entry.path();
    let is_link = entry.file_type().map_err(gone)?.is_symlink();
    let meta = fs::metadata(&on_disk).map_err(gone)?;
    if meta.is_dir() && is_link {
        return Err(Error::invalid(format!("`{path}` is a link to a folder"))
            .hint("copy the folder, or list it under `exclude` in `[environment]`"));
    }
    Ok(if meta.is_dir() {
        Sort::Folder
    } else if meta.is_file() {
        Sort::File(Found {
            path: path.to_owned(),
            on_disk,
            size_bytes: meta.len(),
            executable: meta.permissions().mode() & 0o111 != 0,
        })
    } else {
        Sort::Other
    })
}

fn check(found: &[Found]) -> Result<()> {
    let mut paths = Paths::default();
    for file in found {
        path::clean(file.path.as_bytes())
            .and_then(|path| paths.add_file(&path))
            .map_err(|why| {
                Error::invalid(format!("folder cannot be packed: {why}")).hint("rename one of them")
            })?;
    }
    let total: u64 = found.iter().map(|file| file.size_bytes).sum();
    if total > UNPACKED_BYTES_MAX {
        return Err(too_large(found, total));
    }
    Ok(())
}

fn too_large(found: &[Found], total: u64) -> Error {
    let mut by_size: Vec<&Found> = found.iter().collect();
    by_size.sort_by_key(|file| std::cmp::Reverse(file.size_bytes));
    let largest: Vec<String> = by_size
        .iter()
        .take(3)
        .map(|file| format!("`{}` ({} MiB)", file.path, file.size_bytes >> 20))
        .collect();
    Error::invalid(format!(
        "folder is too large to pack: {} MiB, at most {} MiB; largest: {}",
        total >> 20,
        UNPACKED_BYTES_MAX >> 20,
        largest.join(", ")
    ))
    .hint("list what the model does not need under `exclude` in `[environment]`")
}

fn too_many(folder: &Path) -> Error {
    Error::invalid(format!(
        "folder `{}` has more than {ENTRIES_MAX} files and folders",
        folder.display()
    ))
    .hint("list what the model does not need under `exclude` in `[environment]`")
}
