//! Writes JSON lines: one object a line, its columns in the table's order.
//! A column that a row does not have is left out.

use super::{cannot_write, cells::Columns};
use onstage_core::{Result, ports::TableWriter};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

#[derive(Debug)]
pub(super) struct JsonlWriter {
    writer: BufWriter<File>,
    columns: Columns,
}

impl JsonlWriter {
    pub(super) fn new(file: File, columns: Columns) -> Self {
        Self {
            writer: BufWriter::new(file),
            columns,
        }
    }
}

impl TableWriter for JsonlWriter {
    fn write(&mut self, row: &Map<String, Value>) -> Result<()> {
        let ordered: Vec<(&str, &Value)> = self
            .columns
            .in_order(row)?
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        write_line(&mut self.writer, &ordered).map_err(cannot_write)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.flush().map_err(cannot_write)?;
        self.writer.get_ref().sync_all().map_err(cannot_write)
    }
}

pub(super) fn write_line(writer: &mut impl Write, fields: &[(&str, &Value)]) -> io::Result<()> {
    writer.write_all(b"{")?;
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 {
            writer.write_all(b",")?;
        }
        serde_json::to_writer(&mut *writer, name)?;
        writer.write_all(b":")?;
        serde_json::to_writer(&mut *writer, value)?;
    }
    writer.write_all(b"}\n")
}
