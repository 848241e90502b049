//! Writes tables whose columns have types. Rows go to a file beside first, because a column's type is known only when all its values are.
//! Holds one group of rows in memory. Does not know formats.

use super::{
    cannot_write, cells::Columns, jsonl_read::own_row, jsonl_write::write_line, sorts::Sort,
};
use onstage_core::{Result, ports::TableWriter};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Seek},
    marker::PhantomData,
    path::Path,
};

/// A group of rows ends at whichever comes first.
const GROUP_ROWS_MAX: usize = 50_000;
const GROUP_BYTES_MAX: usize = 16 << 20;

/// A format that is written in groups of rows.
pub(super) trait Groups: Sized + Send {
    /// Begins a file with columns of these names and types; each may lack values.
    fn begin(file: File, names: &[String], sorts: &[Sort]) -> Result<Self>;
    fn write(
        &mut self,
        names: &[String],
        sorts: &[Sort],
        group: &[Map<String, Value>],
    ) -> Result<()>;
    /// Ends the file; it is on the disk then.
    fn end(self) -> Result<()>;
}

#[derive(Debug)]
pub(super) struct TypedWriter<G> {
    file: File,
    columns: Columns,
    sorts: Vec<Sort>,
    rows: BufWriter<File>,
    format: PhantomData<fn() -> G>,
}

impl<G> TypedWriter<G> {
    /// `beside` has room for the rows as text until `finish`.
    pub(super) fn new(file: File, columns: Columns, beside: &Path) -> Result<Self> {
        let rows = tempfile::tempfile_in(beside).map_err(cannot_write)?;
        Ok(Self {
            file,
            sorts: vec![Sort::Nothing; columns.names.len()],
            columns,
            rows: BufWriter::new(rows),
            format: PhantomData,
        })
    }
}

impl<G: Groups> TableWriter for TypedWriter<G> {
    fn write(&mut self, row: &Map<String, Value>) -> Result<()> {
        let mut fields = Vec::with_capacity(self.columns.names.len());
        for ((name, value), sort) in self.columns.in_order(row)?.zip(&mut self.sorts) {
            if let Some(value) = value {
                *sort = sort.and(value);
                fields.push((name, value));
            }
        }
        write_line(&mut self.rows, &fields).map_err(cannot_write)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut rows = self
            .rows
            .into_inner()
            .map_err(|error| cannot_write(error.into_error()))?;
        rows.rewind().map_err(cannot_write)?;
        let (names, sorts) = (&self.columns.names, &self.sorts);
        let mut groups = G::begin(self.file, names, sorts)?;
        let mut rows = BufReader::new(rows);
        loop {
            let group = read_group(&mut rows).map_err(cannot_write)?;
            if group.is_empty() {
                return groups.end();
            }
            groups.write(names, sorts, &group)?;
        }
    }
}

fn read_group(rows: &mut impl BufRead) -> io::Result<Vec<Map<String, Value>>> {
    let mut group = Vec::new();
    let mut bytes = 0;
    let mut line = Vec::new();
    while group.len() < GROUP_ROWS_MAX && bytes < GROUP_BYTES_MAX {
        line.clear();
        match rows.read_until(b'\n', &mut line)? {
            0 => break,
            count => bytes += count,
        }
        group.push(own_row(&line)?);
    }
    Ok(group)
}
