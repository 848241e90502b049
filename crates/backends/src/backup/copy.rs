//! Copies blobs into a backup: each once, those of the backup before by a link.
//! Must not know who points at them.

use super::{
    BLOBS, SETTINGS, Summary, cannot, make_folder,
    manifest::{DATABASE, Entry, Manifest},
};
use crate::{durable::if_there, hex::hex};
use onstage_core::Result;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const READ_BYTES: usize = 1 << 20;
const OWNER_ONLY: u32 = 0o600;

pub(super) struct Copier {
    from: PathBuf,
    to: PathBuf,
    previous: Option<(PathBuf, Manifest)>,
    files: BTreeMap<String, Entry>,
    new_bytes: u64,
}

impl Copier {
    pub(super) fn new(from: &Path, part: &Path, previous: Option<(PathBuf, Manifest)>) -> Self {
        Self {
            from: from.to_owned(),
            to: part.to_owned(),
            previous,
            files: BTreeMap::new(),
            new_bytes: 0,
        }
    }

    /// Copies what is there and not copied yet.
    pub(super) fn copy_blobs(&mut self) -> Result<()> {
        make_folder(&self.to.join(BLOBS))?;
        let from = self.from.clone();
        self.copy_folder(&from, BLOBS)
    }

    fn copy_folder(&mut self, from: &Path, inner: &str) -> Result<()> {
        let Some(entries) =
            if_there(fs::read_dir(from)).map_err(|error| cannot("read", from, error))?
        else {
            return Ok(());
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            // Keys are text; a file that is not whole yet has a `#` in its name.
            let Some(name) = name.to_str().filter(|name| !name.contains('#')) else {
                continue;
            };
            let inner = format!("{inner}/{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.copy_folder(&path, &inner)?,
                Ok(kind) if kind.is_file() => self.copy_file(&path, inner)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// One that is gone before it can be opened is nobody's any more.
    fn copy_file(&mut self, from: &Path, inner: String) -> Result<()> {
        let Some(file) = if_there(File::open(from)).map_err(|error| cannot("read", from, error))?
        else {
            return Ok(());
        };
        let (size_bytes, modified_ns) =
            facts(&file).map_err(|error| cannot("read", from, error))?;
        let is_same =
            |known: &&Entry| (known.size_bytes, known.modified_ns) == (size_bytes, modified_ns);
        if self.files.get(&inner).filter(is_same).is_some() {
            return Ok(());
        }
        let to = self.to.join(&inner);
        if let Some(folder) = to.parent() {
            make_folder(folder)?;
        }
        let entry = match self.linked(&inner, &to, is_same) {
            Some(entry) => entry,
            None => {
                let sha256 = copy(file, &to).map_err(|error| cannot("copy", from, error))?;
                self.new_bytes += size_bytes;
                Entry {
                    size_bytes,
                    sha256,
                    modified_ns,
                }
            }
        };
        self.files.insert(inner, entry);
        Ok(())
    }

    fn linked(&self, inner: &str, to: &Path, is_same: impl Fn(&&Entry) -> bool) -> Option<Entry> {
        let (folder, manifest) = self.previous.as_ref()?;
        let known = manifest.files.get(inner).filter(is_same)?;
        let _ = fs::remove_file(to);
        fs::hard_link(folder.join(inner), to).ok()?;
        Some(known.clone())
    }

    /// The database, the settings and the manifest.
    pub(super) fn finish(mut self, settings: &Path, part: &Path) -> Result<Summary> {
        if settings.is_file() {
            self.copy_file(settings, SETTINGS.to_owned())?;
        }
        let database = part.join(DATABASE);
        let read = || -> io::Result<Entry> {
            let (size_bytes, modified_ns) = facts(&File::open(&database)?)?;
            let sha256 = crate::bundle::file_digest(&database)?;
            Ok(Entry {
                size_bytes,
                sha256,
                modified_ns,
            })
        };
        let entry = read().map_err(|error| cannot("read", &database, error))?;
        self.new_bytes += entry.size_bytes;
        self.files.insert(DATABASE.to_owned(), entry);
        let summary = Summary {
            folder: part.to_owned(),
            files: self.files.len() as u64,
            bytes: self.files.values().map(|entry| entry.size_bytes).sum(),
            new_bytes: self.new_bytes,
        };
        Manifest::of(self.files).write(part)?;
        Ok(summary)
    }
}

fn facts(file: &File) -> io::Result<(u64, i64)> {
    let facts = file.metadata()?;
    let modified_ns = facts
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(facts.mtime_nsec());
    Ok((facts.len(), modified_ns))
}

/// Copies a file and answers the digest of what was copied.
pub(super) fn copy(mut from: File, to: &Path) -> io::Result<String> {
    let mut options = OpenOptions::new();
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(OWNER_ONLY)
        .open(to)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => {
                hash.update(&buffer[..count]);
                out.write_all(&buffer[..count])?;
            }
        }
    }
}
