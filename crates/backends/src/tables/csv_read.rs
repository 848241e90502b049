//! Reads CSV: with or without a UTF-8 mark, separated by comma, semicolon or tab.
//! Cells stay text; what they mean is decided by whoever knows the schema.

use super::{
    ROW_BYTES_MAX, breaks_off,
    cells::check_names,
    metered::{Meter, Metered},
    no_rows, on_disk,
    sniff::{self, SAMPLE_BYTES},
    source::Input,
};
use csv::ByteRecord;
use onstage_core::{
    Error, Result,
    ports::{Row, TableReader},
};
use serde_json::{Map, Value};
use std::io::{Chain, Cursor, Read};

const BUFFER_BYTES: usize = 64 * 1024;
/// Read behind the file's last byte, as a row of its own; inside of a cell, it tells that a quote was never closed.
const END_ROW: &[u8] = b"\n\x02the table ends here\x03\n";
/// What a cell then holds of it.
const END: &[u8] = b"\x02the table ends here\x03";

pub(super) struct CsvReader {
    reader: csv::Reader<Metered<Chain<Input, &'static [u8]>>>,
    meter: Meter,
    columns: Vec<String>,
    record: ByteRecord,
    /// Read by `open` to know that there is one.
    first: Option<Row>,
    /// Why nothing more can be read.
    broken: Option<String>,
}

impl CsvReader {
    pub(super) fn open(mut input: Input) -> Result<Self> {
        let broken = |error| on_disk("the table cannot be read", error);
        let mut sample = Vec::with_capacity(SAMPLE_BYTES);
        (&mut input)
            .take(SAMPLE_BYTES as u64)
            .read_to_end(&mut sample)
            .map_err(broken)?;
        let start = sniff::check_encoding(&sample)?;
        let delimiter = sniff::delimiter(&sample[start..]);
        let mut sample = Cursor::new(sample);
        sample.set_position(start as u64);
        let whole: Input = Box::new(sample.chain(input));
        let (metered, meter) = Metered::new(whole.chain(END_ROW));
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
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
            broken: None,
        };
        table.columns = table.header()?;
        table.first = table.read()?;
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
        if !there || self.is_end() {
            return Err(no_rows());
        }
        if self.holds_end() {
            return Err(breaks_off("a quote in its first line is never closed"));
        }
        let names: Vec<String> = self
            .record
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        check_names(&names)?;
        Ok(names)
    }

    fn read(&mut self) -> Result<Option<Row>> {
        if let Some(why) = &self.broken {
            return Err(breaks_off(why));
        }
        self.meter.next_row();
        // Asked for only after an error: the place before the row is where the reader stands now.
        let before = self.reader.position().line();
        let why = match self.reader.read_byte_record(&mut self.record) {
            Ok(true) if self.holds_end() => {
                let line = self.record.position().map_or(before, csv::Position::line);
                format!("a quote in the row from line {line} on is never closed")
            }
            Ok(true) if !self.is_end() => {
                let line = self.record.position().map_or(before, csv::Position::line);
                return Ok(Some(self.row(line)));
            }
            Ok(_) => return Ok(None),
            Err(_) if self.meter.is_over() => format!(
                "the row from line {before} on is longer than {} MiB; a quote that is never closed does that",
                ROW_BYTES_MAX >> 20
            ),
            Err(error) => format!("line {before} cannot be read: {error}"),
        };
        Err(breaks_off(self.broken.insert(why)))
    }

    fn is_end(&self) -> bool {
        self.record.len() == 1 && self.record.get(0) == Some(END)
    }

    /// Whether the row has run over the end of the file.
    fn holds_end(&self) -> bool {
        let last = self.record.iter().next_back();
        !self.is_end() && last.is_some_and(|cell| cell.trim_ascii_end().ends_with(END))
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

    fn next_row(&mut self) -> Result<Option<Row>> {
        match self.first.take() {
            Some(row) => Ok(Some(row)),
            None => self.read(),
        }
    }
}
