//! Unpacks a parcel's tar into a new folder, within what its own size allows.
//! Trusts nothing in it: never uses the tar library's own unpacking.

use crate::bundle::archive::{self, Item};
use onstage_core::{Error, Result};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const COPY_BYTES: usize = 1 << 20;

/// Makes the folder `to`. Blocks. Errors: invalid (it is no parcel's archive), conflict (`to` is there), full.
pub(super) fn folder(archive: &Path, to: &Path, size_bytes: u64) -> Result<()> {
    fs::create_dir(to).map_err(|error| super::on_disk(&error))?;
    let file = File::open(archive).map_err(|error| super::on_disk(&error))?;
    let reader = BufReader::with_capacity(COPY_BYTES, file);
    let mut disk = None;
    let mut left = size_bytes;
    let walked = archive::each(reader, |item, data| match item {
        Item::Folder { path } if path.is_empty() => Ok(()),
        Item::Folder { path } => keep(&mut disk, fs::create_dir_all(to.join(path))),
        Item::File {
            path,
            size_bytes,
            executable,
        } => {
            // Nothing is compressed: files that say they are larger than the archive lie.
            left = left
                .checked_sub(size_bytes)
                .ok_or_else(|| format!("`{path}` is larger than its archive"))?;
            let written = file_at(&to.join(&path), size_bytes, executable, data);
            keep(&mut disk, written)
        }
    });
    match (walked, disk) {
        (_, Some(error)) => Err(super::on_disk(&error)),
        (Err(why), None) => Err(Error::invalid(format!("a parcel is refused: {why}"))),
        (Ok(()), None) => Ok(()),
    }
}

/// A failure of our own disk is kept apart from what is wrong with the archive.
fn keep(disk: &mut Option<io::Error>, done: io::Result<()>) -> Result<(), String> {
    done.map_err(|error| {
        *disk = Some(error);
        "the disk failed".to_owned()
    })
}

/// No link exists under the root, because none is ever created there: a plain path cannot lead out of it.
fn file_at(path: &Path, size: u64, executable: bool, data: &mut dyn Read) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if executable { 0o755 } else { 0o644 })
        .open(path)?;
    let copied = io::copy(&mut data.take(size), &mut file)?;
    match copied == size {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
