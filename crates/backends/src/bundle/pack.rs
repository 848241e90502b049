//! Packs a model folder into a tar.gz that is the same bytes for the same contents.
//! Does not choose the files; `walk` does.

use super::{
    digest::{Contents, Part, open, unreadable},
    walk,
};
use crate::{archive::Exact, durable};
use flate2::{Compression, GzBuilder, write::GzEncoder};
use onstage_core::{Error, Result};
use std::{
    io::{self, BufWriter, Read, Seek, Write},
    path::Path,
};
use tempfile::{NamedTempFile, TempPath};

/// A packed bundle.
#[derive(Debug)]
pub struct Packed {
    /// The archive; removed when dropped.
    pub archive: TempPath,
    /// Of the archive.
    pub size_bytes: u64,
    /// Of the contents: see `contents_digest`.
    pub contents_digest: String,
    pub files: usize,
    /// Of the files, all told.
    pub unpacked_bytes: u64,
}

/// Packs `folder`. With `include`, only the files it names, plus `onstage.toml`, `requirements.txt`, `examples/` and Python
/// files at the top. Blocks.
pub fn pack(folder: &Path, include: &[String], exclude: &[String]) -> Result<Packed> {
    let found = walk::files(folder, include, exclude)?;
    let file = NamedTempFile::new().map_err(cannot_write)?;
    // No file name and no time in the header: the same contents give the same bytes.
    let gzip = GzBuilder::new()
        .mtime(0)
        .write(BufWriter::new(file), Compression::default());
    let mut tar = tar::Builder::new(gzip);
    let mut contents = Contents::default();
    for file in &found {
        let part = append(&mut tar, file)?;
        contents.add(&file.path, part);
    }
    let file = finish(tar).map_err(cannot_write)?;
    let size_bytes = file.as_file().metadata().map_err(cannot_write)?.len();
    Ok(Packed {
        archive: file.into_temp_path(),
        size_bytes,
        contents_digest: contents.finish(),
        files: found.len(),
        unpacked_bytes: found.iter().map(|file| file.size_bytes).sum(),
    })
}

fn append<W: Write>(tar: &mut tar::Builder<W>, found: &walk::Found) -> Result<Part> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(if found.executable { 0o755 } else { 0o644 });
    header.set_size(found.size_bytes);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let mut part = Part::new(&found.path, found.executable, found.size_bytes);
    let copied = Copied {
        inner: Exact::new(open(found)?, found.size_bytes),
        copy: &mut part,
    };
    tar.append_data(&mut header, &found.path, copied)
        .map_err(|error| unreadable(found, error))?;
    Ok(part)
}

fn finish(tar: tar::Builder<GzEncoder<BufWriter<NamedTempFile>>>) -> io::Result<NamedTempFile> {
    let mut file = tar
        .into_inner()?
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

fn cannot_write(error: io::Error) -> Error {
    let kind = durable::kind_of_own(error.kind());
    Error::new(kind, "the bundle cannot be written to the temporary folder").because(error)
}

/// What is read goes into the digest as well.
struct Copied<'a, R> {
    inner: R,
    copy: &'a mut Part,
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.copy.write_all(&buffer[..count])?;
        Ok(count)
    }
}
