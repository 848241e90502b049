//! The way back: a backup becomes a data folder, after every file, the database and every reference were checked.
//! Must not overwrite anything.

use super::{
    Summary, blocking, cannot, copy, make_folder,
    manifest::{self, DATABASE, Manifest},
    missing,
};
use crate::{durable, store};
use onstage_core::{Error, Result};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Makes the data folder `data` out of a backup, or out of the newest in a folder of backups.
/// Errors: conflict (the folder is not empty), not found (no backup), invalid (the backup is damaged).
pub async fn restore(from: &Path, data: &Path) -> Result<Summary> {
    refuse_used(data)?;
    let folder = chosen(from)?;
    let mut beside = data.as_os_str().to_owned();
    beside.push(".restoring");
    let part = PathBuf::from(beside);
    if part.exists() {
        fs::remove_dir_all(&part).map_err(|error| cannot("remove", &part, error))?;
    }
    make_folder(&part)?;
    let made = fill(&folder, &part).await;
    let published = match made {
        Ok(summary) => durable::publish(&part, data)
            .map(|()| Summary { folder, ..summary })
            .map_err(|error| cannot("finish", data, error)),
        Err(error) => Err(error),
    };
    if published.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    published
}

fn refuse_used(data: &Path) -> Result<()> {
    let is_used = match fs::read_dir(data) {
        Ok(entries) => entries.count() > 0,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(cannot("read", data, error)),
    };
    if !is_used {
        return Ok(());
    }
    let text = format!("data folder `{}` is not empty", data.display());
    Err(Error::conflict(text)
        .hint("restore into a new one with `--data DIR`, look at it, then move it to its place"))
}

fn chosen(from: &Path) -> Result<PathBuf> {
    if manifest::is_backup(from) {
        return Ok(from.to_owned());
    }
    let newest = manifest::folders(from)?.into_iter().max();
    newest.ok_or_else(|| {
        Error::not_found(format!("`{}` holds no backup", from.display()))
            .hint("name a folder that `onstage backup` was given, or one backup in it")
    })
}

async fn fill(folder: &Path, part: &Path) -> Result<Summary> {
    let (from, to) = (folder.to_owned(), part.to_owned());
    let summary = blocking(move || copy_all(&from, &to)).await?;
    let database = part.join(DATABASE);
    store::check_file(&database).await?;
    let keys = store::blob_keys(&database).await?;
    match missing(part, &keys) {
        None => Ok(summary),
        Some((key, record)) => Err(Error::invalid(format!(
            "backup `{}` lacks blob `{key}`, which record {record} points at",
            folder.display()
        ))),
    }
}

fn copy_all(folder: &Path, part: &Path) -> Result<Summary> {
    let manifest = Manifest::read(folder)?;
    if !manifest.files.contains_key(DATABASE) {
        return Err(Error::invalid(format!(
            "backup `{}` has no `{DATABASE}`",
            folder.display()
        )));
    }
    let mut bytes = 0;
    for (inner, entry) in &manifest.files {
        let (from, to) = (folder.join(inner), part.join(inner));
        if let Some(parent) = to.parent() {
            make_folder(parent)?;
        }
        let file = File::open(&from).map_err(|error| cannot("read", &from, error))?;
        let sha256 = copy::copy(file, &to).map_err(|error| cannot("copy", &from, error))?;
        if sha256 != entry.sha256 {
            let text = format!(
                "file `{}` of the backup is damaged: its digest is another",
                from.display()
            );
            return Err(Error::invalid(text).hint("restore an older backup"));
        }
        bytes += entry.size_bytes;
    }
    Ok(Summary {
        folder: folder.to_owned(),
        files: manifest.files.len() as u64,
        bytes,
        new_bytes: bytes,
    })
}
