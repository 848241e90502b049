//! Writes CSV: UTF-8, commas, one header line.
//! Does not guess types; a value is written as its text.

use super::{
    cannot_write,
    cells::{self, Columns},
};
use onstage_core::{Result, ports::TableWriter};
use serde_json::{Map, Value};
use std::{fs::File, io};

#[derive(Debug)]
pub(super) struct CsvWriter {
    writer: csv::Writer<File>,
    columns: Columns,
}

impl CsvWriter {
    pub(super) fn new(file: File, columns: Columns) -> Result<Self> {
        let mut writer = csv::WriterBuilder::new().from_writer(file);
        writer.write_record(&columns.names).map_err(broken)?;
        Ok(Self { writer, columns })
    }
}

fn broken(error: csv::Error) -> onstage_core::Error {
    cannot_write(match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

impl TableWriter for CsvWriter {
    fn write(&mut self, row: &Map<String, Value>) -> Result<()> {
        for (_, value) in self.columns.in_order(row)? {
            let text = value.map(cells::text).unwrap_or_default();
            self.writer.write_field(text.as_bytes()).map_err(broken)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(broken)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.flush().map_err(cannot_write)?;
        self.writer.get_ref().sync_all().map_err(cannot_write)
    }
}
