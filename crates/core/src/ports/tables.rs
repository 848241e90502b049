//! Tables: rows out of CSV, JSON lines, Parquet and Arrow files, and into them again; and what is in an archive of files.
//! Both directions hold one row group in memory, never the whole table.

use crate::{Result, batch::TableFormat, dataset::DatasetFormat};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::{ops::Range, path::Path, sync::Arc};

/// A row by column name, in the table's column order; or why this row cannot be read (ragged, bad encoding) while others can.
pub type Row = std::result::Result<Map<String, Value>, String>;

/// Opens and creates tables. Calls block; the engine makes them off its async threads.
pub trait Tables: Send + Sync + 'static {
    /// Errors: invalid, when the file as a whole is not such a table (no header, wrong encoding, cut short).
    fn open(&self, path: &Path, format: TableFormat) -> Result<Box<dyn TableReader>>;
    /// As `open`, of bytes that are no file of this host.
    fn open_source(
        &self,
        source: Arc<dyn ByteSource>,
        format: TableFormat,
    ) -> Result<Box<dyn TableReader>>;
    /// The first files of an archive, in its order; nothing is unpacked. Errors: invalid, when it is no such archive, or holds what must not be unpacked.
    fn list_archive(
        &self,
        source: Arc<dyn ByteSource>,
        format: DatasetFormat,
        files_max: usize,
    ) -> Result<ArchiveList>;
    /// `columns` are the output's columns in order; values of other columns are refused.
    fn create(
        &self,
        path: &Path,
        format: TableFormat,
        columns: &[String],
    ) -> Result<Box<dyn TableWriter>>;
}

/// The beginning of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveList {
    pub files: Vec<ArchivedFile>,
    /// How many there are, where the archive says so without being read to its end.
    pub files_total: Option<u64>,
    /// Whether these are all.
    pub whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedFile {
    pub path: String,
    pub size_bytes: u64,
}

/// Bytes at rest that can be read at any place. Calls block.
pub trait ByteSource: Send + Sync + 'static {
    fn size_bytes(&self) -> u64;
    /// As many bytes as the range has; it lies inside of the size.
    fn read(&self, range: Range<u64>) -> Result<Bytes>;
}

pub trait TableReader: Send {
    /// Column names in order; for JSON lines, those of the first row.
    fn columns(&self) -> &[String];
    /// How many rows there are, where the format says so without reading them.
    fn rows_total(&self) -> Option<u64>;
    /// The next row; `None` at the end. An error means that the table breaks off here: it names the place, nothing behind it
    /// can be read, and what was read so far is not the whole.
    fn next_row(&mut self) -> Result<Option<Row>>;
}

pub trait TableWriter: Send {
    fn write(&mut self, row: &Map<String, Value>) -> Result<()>;
    /// Flushes and closes the file.
    fn finish(self: Box<Self>) -> Result<()>;
}
