//! Digests: of a bundle's contents, however archived, and of a version.
//! Does not know archives.

use super::walk::{self, Found};
use crate::hex::hex;
use onstage_core::{Error, ModelName, Result, config::ModelConfig, model::VersionId};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

const READ_BYTES: usize = 64 * 1024;

/// SHA-256 over paths, executable bits and bytes of a folder's files: what `unpack` and `pack` answer for the same contents.
pub fn contents_digest(folder: &Path) -> Result<String> {
    let mut digest = Contents::default();
    for found in walk::files(folder, &[], &[])? {
        let mut file = open(&found)?;
        let mut part = Part::new(&found.path, found.executable, found.size_bytes);
        io::copy(&mut file, &mut part).map_err(|error| unreadable(&found, error))?;
        digest.add(&found.path, part);
    }
    Ok(digest.finish())
}

/// The id of a version: the same content pushed twice to the same model is the same version.
pub fn version_id(model: &ModelName, contents_digest: &str, config: &ModelConfig) -> VersionId {
    let config = serde_json::to_vec(config).expect("a config is plain data");
    let mut hash = Sha256::new();
    hash.update(b"onstage version 1\0");
    for part in [
        model.to_string().as_bytes(),
        contents_digest.as_bytes(),
        &config,
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    VersionId(hex(&hash.finalize()))
}

/// SHA-256 of a file's bytes.
pub(crate) fn file_digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

pub(super) fn open(found: &Found) -> Result<io::BufReader<File>> {
    File::open(&found.on_disk)
        .map(|file| io::BufReader::with_capacity(READ_BYTES, file))
        .map_err(|error| unreadable(found, error))
}

pub(super) fn unreadable(found: &Found, error: io::Error) -> Error {
    Error::invalid(format!("file `{}` cannot be read", found.path)).because(error)
}

/// One file's part of the digest; write the file's bytes into it.
pub(super) struct Part(Sha256);

impl Part {
    pub(super) fn new(path: &str, executable: bool, size_bytes: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update([u8::from(executable)]);
        hash.update(size_bytes.to_le_bytes());
        Self(hash)
    }
}

impl io::Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The parts of all files, in whatever order they came.
#[derive(Default)]
pub(super) struct Contents(std::collections::BTreeMap<String, [u8; 32]>);

impl Contents {
    pub(super) fn add(&mut self, path: &str, part: Part) {
        self.0.insert(path.to_owned(), part.0.finalize().into());
    }

    pub(super) fn finish(self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"onstage bundle 1\0");
        for part in self.0.values() {
            hash.update(part);
        }
        hex(&hash.finalize())
    }
}
