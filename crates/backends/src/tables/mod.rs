//! Tables: CSV, JSON lines, Parquet and Arrow, row by row.
//! Does not know what the rows are for.

mod arrow_cells;
mod arrow_messages;
mod arrow_read;
#[cfg(test)]
mod arrow_tests;
mod arrow_write;
mod cells;
mod csv_read;
mod csv_write;
mod jsonl_read;
mod jsonl_write;
mod metered;
mod parquet_read;
mod parquet_write;
mod sniff;
mod sorts;
mod source;
#[cfg(test)]
mod tests;
mod typed_write;

use crate::archive::list;
use arrow_read::ArrowReader;
use onstage_core::{
    Error, Result,
    batch::TableFormat,
    dataset::DatasetFormat,
    ports::{ArchiveList, ByteSource, TableReader, TableWriter, Tables},
};
use source::{Anywhere, InOrder, OnDisk};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};
use typed_write::TypedWriter;

/// One row as text. A quote that is never closed would otherwise make the rest of the file one row.
pub const ROW_BYTES_MAX: u64 = 16 << 20;
/// One batch of rows of an Arrow file of this host.
const BATCH_BYTES_MAX: u64 = 1 << 30;
/// One of a table that lies elsewhere, where somebody only looks into it.
const BATCH_LOOKED_INTO_BYTES_MAX: u64 = 64 << 20;
/// Columns of a table.
pub const COLUMNS_MAX: usize = 10_000;

/// Tables in files of this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileTables;

impl Tables for FileTables {
    fn open(&self, path: &Path, format: TableFormat) -> Result<Box<dyn TableReader>> {
        let file =
            File::open(path).map_err(|error| on_disk("the table cannot be opened", error))?;
        if file.metadata().is_ok_and(|meta| meta.len() == 0) {
            return Err(empty());
        }
        Ok(match format {
            TableFormat::Csv => Box::new(csv_read::CsvReader::open(Box::new(file))?),
            TableFormat::Jsonl => Box::new(jsonl_read::JsonlReader::open(Box::new(file))?),
            TableFormat::Parquet => Box::new(parquet_read::ParquetReader::open(file)?),
            TableFormat::Arrow => {
                let source = OnDisk::new(file);
                let source = source.map_err(|error| on_disk("the table cannot be read", error))?;
                Box::new(ArrowReader::open(Arc::new(source), BATCH_BYTES_MAX)?)
            }
        })
    }

    fn open_source(
        &self,
        source: Arc<dyn ByteSource>,
        format: TableFormat,
    ) -> Result<Box<dyn TableReader>> {
        if source.size_bytes() == 0 {
            return Err(empty());
        }
        let in_order = |source| Box::new(InOrder::new(source, 0));
        Ok(match format {
            TableFormat::Csv => Box::new(csv_read::CsvReader::open(in_order(source))?),
            TableFormat::Jsonl => Box::new(jsonl_read::JsonlReader::open(in_order(source))?),
            TableFormat::Parquet => Box::new(parquet_read::ParquetReader::open(Anywhere(source))?),
            TableFormat::Arrow => Box::new(ArrowReader::open(source, BATCH_LOOKED_INTO_BYTES_MAX)?),
        })
    }

    fn list_archive(
        &self,
        source: Arc<dyn ByteSource>,
        format: DatasetFormat,
        files_max: usize,
    ) -> Result<ArchiveList> {
        list::list(source, format, files_max)
    }

    fn create(
        &self,
        path: &Path,
        format: TableFormat,
        columns: &[String],
    ) -> Result<Box<dyn TableWriter>> {
        let columns = cells::Columns::new(columns)?;
        let file = File::create(path).map_err(cannot_write)?;
        let beside = path.parent().unwrap_or(Path::new("."));
        Ok(match format {
            TableFormat::Csv => Box::new(csv_write::CsvWriter::new(file, columns)?),
            TableFormat::Jsonl => Box::new(jsonl_write::JsonlWriter::new(file, columns)),
            TableFormat::Parquet => Box::new(TypedWriter::<parquet_write::ParquetGroups>::new(
                file, columns, beside,
            )?),
            TableFormat::Arrow => Box::new(TypedWriter::<arrow_write::ArrowGroups>::new(
                file, columns, beside,
            )?),
        })
    }
}

/// The error of a table that cannot be read to its end.
fn breaks_off(why: &str) -> Error {
    Error::invalid(format!("the table cannot be read to its end: {why}"))
        .hint("its rows behind that place cannot be read; correct the file and send it again")
}

fn empty() -> Error {
    Error::invalid("the table is an empty file")
}

fn no_rows() -> Error {
    Error::invalid("the table has no rows")
}

/// Ends a file that was written; it is on the disk then.
fn end(mut file: BufWriter<File>) -> Result<()> {
    file.flush().map_err(cannot_write)?;
    file.get_ref().sync_all().map_err(cannot_write)
}

/// Runs what may panic on damaged bytes: here that is an error like others.
fn guarded<T, E: ToString>(
    work: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the file is damaged".to_owned()),
    }
}

fn cannot_write(error: io::Error) -> Error {
    on_disk("the table cannot be written", error)
}

fn on_disk(what: &str, error: io::Error) -> Error {
    Error::new(crate::durable::kind_of_io(error.kind()), what).because(error)
}
