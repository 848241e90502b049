//! The Python SDK inside the binary, written once to disk so that workers can import it.
//! Does not know what the SDK does.

use crate::{durable, hex::hex};
use onstage_core::{Error, Result};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[derive(RustEmbed)]
#[folder = "../../python/onstage"]
struct Sdk;

/// Writes the SDK under `<data>/sdk/<digest>` if it is not there yet; answers the folder for `PYTHONPATH`. Blocks.
pub(crate) fn write_sdk(data_dir: &Path) -> Result<PathBuf> {
    let files = files();
    let base = data_dir.join("sdk");
    let folder = base.join(digest(&files));
    if folder.is_dir() {
        return Ok(folder);
    }
    write(&base, &folder, &files).map_err(|error| {
        Error::new(
            durable::kind_of_own(error.kind()),
            format!("the SDK cannot be written to `{}`", base.display()),
        )
        .because(error)
    })?;
    Ok(folder)
}

/// Sources only: a development build embeds the folder as it lies there, caches included.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = Sdk::iter()
        .filter(|name| {
            !name
                .split('/')
                .any(|part| part == "__pycache__" || part == "tests")
        })
        .filter(|name| name.ends_with(".py") || name.ends_with("py.typed"))
        .filter_map(|name| Some((name.to_string(), Sdk::get(&name)?.data.into_owned())))
        .collect();
    files.sort();
    files
}

fn digest(files: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hex(&hash.finalize()[..16])
}

fn write(base: &Path, folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(base)?;
    let beside = durable::Passing::create(base, ".writing-")?;
    let root = beside.path().join("sdk");
    for (name, bytes) in files {
        let path = root.join("onstage").join(name);
        fs::create_dir_all(path.parent().unwrap_or(&root))?;
        fs::write(path, bytes)?;
    }
    match durable::publish(&root, folder) {
        // Another process was faster; the digest says that it wrote the same.
        Err(_) if folder.is_dir() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_written_once_and_holds_sources_only() {
        let data = tempfile::tempdir().unwrap();
        let folder = write_sdk(data.path()).unwrap();
        assert!(folder.join("onstage/__init__.py").is_file());
        assert!(folder.join("onstage/worker/__main__.py").is_file());
        fs::write(folder.join("onstage/mark"), "").unwrap();
        assert_eq!(write_sdk(data.path()).unwrap(), folder);
        assert!(
            folder.join("onstage/mark").exists(),
            "written a second time"
        );
        assert_eq!(fs::read_dir(data.path().join("sdk")).unwrap().count(), 1);
        assert!(files().iter().all(|(name, _)| !name.ends_with(".pyc")));
    }
}
