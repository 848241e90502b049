//! Backups of the embedded store: a snapshot of the SQLite file and the blobs it points at, taken while the front works, and their way back.
//! Must not know what a record means; every file is in the manifest with its digest, which is written last.

mod copy;
mod manifest;
mod restore;
#[cfg(test)]
mod tests;

pub use restore::restore;

use crate::{
    durable::{self, Passing},
    store,
};
use copy::Copier;
use manifest::{DATABASE, Manifest};
use onstage_core::{Error, Result};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

const BLOBS: &str = "blobs";
/// Where one is until it is whole.
const PART: &str = ".backing-up-";
const SETTINGS: &str = "server.toml";
/// A snapshot and the blobs of another moment may miss each other; then both are taken again.
const TRIES_MAX: u32 = 5;

/// What is backed up.
#[derive(Debug, Clone)]
pub struct Source {
    /// The SQLite file.
    pub store: PathBuf,
    /// The folder of blobs.
    pub blobs: PathBuf,
    /// The settings file, when there is one.
    pub settings: PathBuf,
}

/// What a backup or its way back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub folder: PathBuf,
    pub files: u64,
    pub bytes: u64,
    /// Bytes that no earlier backup had.
    pub new_bytes: u64,
}

/// Makes the backup `name` in the folder `place`, which may hold earlier ones: blobs that they have are linked, not copied.
/// Errors: not found (no store), conflict (the name is taken), full, unavailable.
pub async fn back_up(source: &Source, place: &Path, name: &str) -> Result<Summary> {
    let folder = place.join(name);
    if folder.exists() {
        let text = format!("backup `{}` is there already", folder.display());
        return Err(Error::conflict(text));
    }
    make_folder(place)?;
    let beside = Passing::create_aside(place, PART).await;
    let beside = beside.map_err(|error| cannot("write", place, error))?;
    let part = beside.path().join(name);
    make_folder(&part)?;
    let summary = fill(source, place, &part).await?;
    durable::publish(&part, &folder).map_err(|error| cannot("finish", &part, error))?;
    Ok(Summary { folder, ..summary })
}

async fn fill(source: &Source, place: &Path, part: &Path) -> Result<Summary> {
    let previous = Manifest::newest(place)?;
    let mut copier = Copier::new(&source.blobs, part, previous);
    // Before the snapshot, so that what it points at is kept although somebody removes it meanwhile.
    copier = copied(copier).await?;
    let database = part.join(DATABASE);
    for tried in 1.. {
        store::snapshot(&source.store, &database).await?;
        copier = copied(copier).await?;
        let keys = store::blob_keys(&database).await?;
        match missing(part, &keys) {
            None => break,
            Some((key, record)) if tried >= TRIES_MAX => {
                let text = format!("record {record} points at blob `{key}`, which is not there");
                return Err(Error::internal(text));
            }
            Some(_) => {
                fs::remove_file(&database).map_err(|error| cannot("retake", &database, error))?;
            }
        }
    }
    store::check_file(&database).await?;
    let (settings, part) = (source.settings.clone(), part.to_owned());
    blocking(move || copier.finish(&settings, &part)).await
}

async fn copied(mut copier: Copier) -> Result<Copier> {
    blocking(move || copier.copy_blobs().map(|()| copier)).await
}

/// A key that is not among the blobs, and the record that points at it.
fn missing<'a>(part: &Path, keys: &'a store::BlobKeys) -> Option<(&'a String, &'a String)> {
    keys.iter()
        .find(|(key, _)| !part.join(BLOBS).join(key).is_file())
}

fn make_folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| cannot("make", path, error))
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    let kind = durable::kind_of_io(error.kind());
    Error::new(kind, format!("cannot {what} `{}`", path.display())).because(error)
}

/// Runs what blocks where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a backup panicked").because(error))?
}
