//! Packs a folder into a tar that is the same bytes for the same contents, piece by piece.
//! Does not compress: weights do not get smaller.

use super::PIECE_BYTES;
use crate::archive::{
    Exact,
    path::{self, Paths},
};
use bytes::{Bytes, BytesMut};
use onstage_core::{Error, Result};
use std::{
    fs, io,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

/// Files and folders of one parcel.
pub(super) const ENTRIES_MAX: usize = 20_000;

/// Sends the archive's bytes. A receiver that is gone ends it. Blocks.
pub(super) fn folder(root: &Path, pieces: mpsc::Sender<Bytes>) -> Result<()> {
    let mut found = Vec::new();
    walk(root, Path::new(""), &mut found)?;
    check(root, &found)?;
    let mut tar = tar::Builder::new(Pieces {
        out: pieces,
        piece: BytesMut::with_capacity(PIECE_BYTES),
    });
    for path in &found {
        append(&mut tar, root, path)
            .map_err(|error| super::unreadable(&root.join(path), &error))?;
    }
    let ended = tar.into_inner().and_then(|mut pieces| pieces.flush());
    ended.map_err(|error| Error::unavailable("a folder could not be packed").because(error))
}

/// Everything below `at`, in a fixed order, folders before what is in them.
fn walk(root: &Path, at: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let here = root.join(at);
    let broken = |error: io::Error| super::unreadable(&here, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(&here).map_err(broken)? {
        names.push(entry.map_err(broken)?.file_name());
    }
    names.sort();
    for name in names {
        let path = at.join(name);
        let whole = root.join(&path);
        let broken = |error: io::Error| super::unreadable(&whole, &error);
        let is_link = fs::symlink_metadata(&whole).map_err(broken)?.is_symlink();
        let kind = fs::metadata(&whole).map_err(broken)?.file_type();
        if found.len() >= ENTRIES_MAX {
            return Err(Error::invalid(format!(
                "`{}` has more than {ENTRIES_MAX} files and folders",
                root.display()
            )));
        }
        // A link to a folder may lead round in a circle.
        if !kind.is_file() && (is_link || !kind.is_dir()) {
            return Err(Error::invalid(format!(
                "`{}` is neither a file nor a folder of its own",
                whole.display()
            )));
        }
        found.push(path.clone());
        if kind.is_dir() {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

/// What would not be unpacked is not packed.
fn check(root: &Path, found: &[PathBuf]) -> Result<()> {
    let mut paths = Paths::default();
    for path in found {
        let checked = path::clean(path.as_os_str().as_bytes()).and_then(|plain| {
            match root.join(path).is_dir() {
                true => paths.add_folder(&plain),
                false => paths.add_file(&plain),
            }
        });
        checked
            .map_err(|why| Error::invalid(format!("`{}` cannot be kept: {why}", root.display())))?;
    }
    Ok(())
}

fn append<W: Write>(tar: &mut tar::Builder<W>, root: &Path, path: &Path) -> io::Result<()> {
    let whole = root.join(path);
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let about = fs::metadata(&whole)?;
    if about.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        return tar.append_data(&mut header, path, io::empty());
    }
    let file = fs::File::open(&whole)?;
    let executable = about.permissions().mode() & 0o100 != 0;
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(if executable { 0o755 } else { 0o644 });
    header.set_size(about.len());
    tar.append_data(&mut header, path, Exact::new(file, about.len()))
}

/// Bytes on their way to whoever writes them.
struct Pieces {
    out: mpsc::Sender<Bytes>,
    piece: BytesMut,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let fresh = BytesMut::with_capacity(PIECE_BYTES);
        let piece = std::mem::replace(&mut self.piece, fresh).freeze();
        self.out
            .blocking_send(piece)
            .map_err(|_| io::Error::other("nobody wants it any more"))
    }
}
