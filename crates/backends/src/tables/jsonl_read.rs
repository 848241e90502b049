//! Reads JSON lines: one object a line.
//! A line that cannot be read is that row's error; the next line is the next row.

use super::{
    ROW_BYTES_MAX, breaks_off, cells::check_names, no_rows, on_disk, sniff, source::Input,
};
use onstage_core::{
    Error, Result,
    ports::{Row, TableReader},
};
use serde_json::{Map, Value};
use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
};

/// Rows read ahead to find one that tells the columns.
const READ_AHEAD_ROWS_MAX: usize = 100;

pub(super) struct JsonlReader {
    reader: BufReader<Input>,
    line: Vec<u8>,
    number: u64,
    ahead: VecDeque<Row>,
    columns: Vec<String>,
    /// Why nothing more can be read.
    broken: Option<String>,
}

impl JsonlReader {
    pub(super) fn open(input: Input) -> Result<Self> {
        let mut reader = BufReader::with_capacity(sniff::SAMPLE_BYTES, input);
        let sample = reader
            .fill_buf()
            .map_err(|error| on_disk("the table cannot be read", error))?;
        let start = sniff::check_encoding(sample)?;
        if sample[start..].trim_ascii_start().starts_with(b"[") {
            return Err(Error::invalid("the table is one JSON list, not JSON lines")
                .hint("write one object a line, without brackets around them and commas between"));
        }
        reader.consume(start);
        let mut table = Self {
            reader,
            line: Vec::new(),
            number: 0,
            ahead: VecDeque::new(),
            columns: Vec::new(),
            broken: None,
        };
        table.look_ahead()?;
        Ok(table)
    }

    fn look_ahead(&mut self) -> Result<()> {
        while self.columns.is_empty() && self.ahead.len() < READ_AHEAD_ROWS_MAX {
            let Some(row) = self.read()? else { break };
            if let Ok(fields) = &row {
                self.columns = fields.keys().cloned().collect();
                if !self.columns.is_empty() {
                    check_names(&self.columns)?;
                }
            }
            self.ahead.push_back(row);
        }
        match self.ahead.front() {
            None => Err(no_rows()),
            Some(Err(why)) if self.ahead.iter().all(std::result::Result::is_err) => Err(
                Error::invalid(format!("the table is not JSON lines: {why}"))
                    .hint("write one JSON object a line, like `{\"weight\": 3.5}`"),
            ),
            Some(_) => Ok(()),
        }
    }

    /// The next line that is not blank.
    fn read(&mut self) -> Result<Option<Row>> {
        if let Some(why) = &self.broken {
            return Err(breaks_off(why));
        }
        let why = loop {
            self.line.clear();
            self.number += 1;
            let mut limited = (&mut self.reader).take(ROW_BYTES_MAX + 1);
            match limited.read_until(b'\n', &mut self.line) {
                Ok(0) => return Ok(None),
                Ok(count) if count as u64 > ROW_BYTES_MAX => {
                    let mib = ROW_BYTES_MAX >> 20;
                    break format!("line {} is longer than {mib} MiB", self.number);
                }
                Ok(_) if self.line.trim_ascii().is_empty() => {}
                Ok(_) => return Ok(Some(parse(&self.line, self.number))),
                Err(error) => break format!("line {} cannot be read: {error}", self.number),
            }
        };
        Err(breaks_off(self.broken.insert(why)))
    }
}

fn parse(line: &[u8], number: u64) -> Row {
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(format!("line {number} is not an object")),
        Err(error) => {
            let why = error.to_string();
            // Its own line number is always 1.
            let why = why.split(" at line ").next().unwrap_or_default();
            Err(format!(
                "line {number} is not JSON: {why} (column {})",
                error.column()
            ))
        }
    }
}

impl TableReader for JsonlReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn rows_total(&self) -> Option<u64> {
        None
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        match self.ahead.pop_front() {
            Some(row) => Ok(Some(row)),
            None => self.read(),
        }
    }
}

/// Kept apart for the writer's spill file, whose rows are our own.
pub(super) fn own_row(line: &[u8]) -> std::result::Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_slice(line)
}
