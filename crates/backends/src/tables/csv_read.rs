//! Reads CSV: with or without a UTF-8 mark, separated by comma, semicolon or tab.
//! Cells stay text; what they mean is decided by whoever knows the schema.

use super::{
    ROW_BYTES_MAX,
    cells::check_names,
    metered::{Meter, Metered},
    no_rows, on_disk,
    sniff::{self, SAMPLE_BYTES},
};
use csv::ByteRecord;
use onstage_core::{
    Error, Result,
    ports::{Row, TableReader},
};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct CsvReader {
    reader: csv::Reader<Metered<File>>,
    meter: Meter,
    columns: Vec<String>,
    record: ByteRecord,
    /// Read by `open` to know that there is one.
    first: Option<Row>,
    broken: bool,
}

impl CsvReader {
    pub(super) fn open(mut file: File) -> Result<Self> {
        let broken = |error| on_disk("the table cannot be read", error);
        let mut sample = Vec::with_capacity(SAMPLE_BYTES);
        (&mut file)
            .take(SAMPLE_BYTES as u64)
            .read_to_end(&mut sample)
            .map_err(broken)?;
        let start = sniff::check_encoding(&sample)?;
        file.seek(SeekFrom::Start(start as u64)).map_err(broken)?;
        let (metered, meter) = Metered::new(file);
        let reader = csv::ReaderBuilder::new()
            .delimiter(sniff::delimiter(&sample[start..]))
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(metered);
        let mut table = Self {
            reader,
            meter,
            columns: Vec::new(),
            record: ByteRecord::new(),
            first: None,
            broken: false,
        };
        table.columns = table.header()?;
        table.first = table.read();
        if table.first.is_none() {
            return Err(no_rows());
        }
        Ok(table)
    }

    fn header(&mut self) -> Result<Vec<String>> {
        let there = self
            .reader
            .read_byte_record(&mut self.record)
            .map_err(|error| {
                Error::invalid("the table's first line cannot be read").because(error)
            })?;
        if !there {
            return Err(no_rows());
        }
        let names: Vec<String> = self
            .record
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        check_names(&names)?;
        Ok(names)
    }

    fn read(&mut self) -> Option<Row> {
        if self.broken {
            return None;
        }
        self.meter.next_row();
        // Asked for only after an error: the place before the row is where the reader stands now.
        let before = self.reader.position().line();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(before, csv::Position::line);
                Some(self.row(line))
            }
            Err(error) => {
                self.broken = true;
                let row = if self.meter.is_over() {
                    format!(
                        "the row from line {before} on is longer than {} MiB; a quote that is never closed does that",
                        ROW_BYTES_MAX >> 20
                    )
                } else {
                    format!("line {before} cannot be read: {error}")
                };
                Some(Err(row))
            }
        }
    }

    fn row(&self, line: u64) -> Row {
        if self.record.len() != self.columns.len() {
            return Err(format!(
                "line {line} has {} cells, the header has {}",
                self.record.len(),
                self.columns.len()
            ));
        }
        let mut row = Map::new();
        for (name, cell) in self.columns.iter().zip(&self.record) {
            let text = std::str::from_utf8(cell)
                .map_err(|_| format!("line {line}, column `{name}`: the cell is not UTF-8"))?;
            row.insert(name.clone(), Value::String(text.to_owned()));
        }
        Ok(row)
    }
}

impl TableReader for CsvReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn rows_total(&self) -> Option<u64> {
        None
    }

    fn next_row(&mut self) -> Option<Row> {
        self.first.take().or_else(|| self.read())
    }
}
