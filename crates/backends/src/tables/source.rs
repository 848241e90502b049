//! Bytes that are read piece by piece from wherever they lie, as the readers of tables want them.
//! Does not know formats.

use bytes::Bytes;
use onstage_core::{Error, Kind, ports::ByteSource};
use parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};
use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    os::unix::fs::FileExt,
    sync::Arc,
};

/// What text tables are read from.
pub(super) type Input = Box<dyn Read + Send>;

/// Asked for at first: the head of a page of Parquet needs no more.
const FIRST_PIECE_BYTES: u64 = 4 * 1024;
/// Asked for at once by who reads on.
const PIECE_BYTES_MAX: u64 = 256 * 1024;

/// A source from a place on, one byte after the other.
pub(super) struct InOrder {
    source: Arc<dyn ByteSource>,
    at: u64,
    piece_bytes: u64,
    piece: Bytes,
}

impl InOrder {
    pub(super) fn new(source: Arc<dyn ByteSource>, at: u64) -> Self {
        Self {
            source,
            at,
            piece_bytes: FIRST_PIECE_BYTES,
            piece: Bytes::new(),
        }
    }
}

impl Read for InOrder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let end = (self.at + self.piece_bytes).min(self.source.size_bytes());
            if self.at >= end {
                return Ok(0);
            }
            let read = self.source.read(self.at..end);
            self.piece = read.map_err(|error| io::Error::new(io_kind(&error), error))?;
            self.at = end;
            self.piece_bytes = (self.piece_bytes * 2).min(PIECE_BYTES_MAX);
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// A file of this host.
pub(super) struct OnDisk {
    file: File,
    size_bytes: u64,
}

impl OnDisk {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let size_bytes = file.metadata()?.len();
        Ok(Self { file, size_bytes })
    }
}

impl ByteSource for OnDisk {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read(&self, range: Range<u64>) -> onstage_core::Result<Bytes> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let read = self.file.read_exact_at(&mut bytes, range.start);
        read.map_err(|error| super::on_disk("the table cannot be read", error))?;
        Ok(bytes.into())
    }
}

/// A source as Parquet's library reads it.
pub(super) struct Anywhere(pub(super) Arc<dyn ByteSource>);

impl Length for Anywhere {
    fn len(&self) -> u64 {
        self.0.size_bytes()
    }
}

impl ChunkReader for Anywhere {
    type T = InOrder;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(InOrder::new(Arc::clone(&self.0), start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        if end > self.0.size_bytes() {
            return Err(ParquetError::EOF("it ends too early".to_owned()));
        }
        let read = self.0.read(start..end);
        read.map_err(|error| ParquetError::External(Box::new(error)))
    }
}

fn io_kind(error: &Error) -> io::ErrorKind {
    match error.kind {
        Kind::NotFound => io::ErrorKind::NotFound,
        Kind::Full => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    }
}
