//! Writes Parquet. Rows go to a file beside first, because a column's type is known only when all its values are.
//! Holds one row group in memory.

use super::{
    cannot_write,
    cells::{self, Columns},
    jsonl_read::own_row,
    jsonl_write::write_line,
    parquet_types::{Sort, schema},
};
use onstage_core::{Error, Result, ports::TableWriter};
use parquet::{
    basic::Compression,
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::Path,
    sync::Arc,
};

/// A row group ends at whichever comes first.
const GROUP_ROWS_MAX: usize = 50_000;
const GROUP_BYTES_MAX: usize = 16 << 20;

#[derive(Debug)]
pub(super) struct ParquetWriter {
    file: File,
    columns: Columns,
    sorts: Vec<Sort>,
    rows: BufWriter<File>,
}

impl ParquetWriter {
    /// `beside` has room for the rows as text until `finish`.
    pub(super) fn new(file: File, columns: Columns, beside: &Path) -> Result<Self> {
        let rows = tempfile::tempfile_in(beside).map_err(cannot_write)?;
        Ok(Self {
            file,
            sorts: vec![Sort::Nothing; columns.names.len()],
            columns,
            rows: BufWriter::new(rows),
        })
    }
}

impl TableWriter for ParquetWriter {
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
        let schema = schema(&self.columns.names, &self.sorts).map_err(broken)?;
        let properties = Arc::new(
            WriterProperties::builder()
                .set_compression(Compression::SNAPPY)
                .build(),
        );
        let mut writer = SerializedFileWriter::new(BufWriter::new(self.file), schema, properties)
            .map_err(broken)?;
        let mut rows = BufReader::new(rows);
        loop {
            let group = read_group(&mut rows).map_err(cannot_write)?;
            if group.is_empty() {
                break;
            }
            write_group(&mut writer, &self.columns.names, &self.sorts, &group).map_err(broken)?;
        }
        let mut file = writer.into_inner().map_err(broken)?;
        file.flush().map_err(cannot_write)?;
        file.get_ref().sync_all().map_err(cannot_write)
    }
}

fn broken(error: ParquetError) -> Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => cannot_write(*error),
            Err(other) => Error::internal("the table cannot be written").because(other),
        },
        other => Error::internal("the table cannot be written").because(other),
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

fn write_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    names: &[String],
    sorts: &[Sort],
    group: &[Map<String, Value>],
) -> Result<(), ParquetError> {
    let mut row_group = writer.next_row_group()?;
    for (name, sort) in names.iter().zip(sorts) {
        let mut column = row_group
            .next_column()?
            .ok_or_else(|| ParquetError::General("the schema has too few columns".to_owned()))?;
        let values = group
            .iter()
            .map(|row| row.get(name).filter(|value| !value.is_null()));
        match sort {
            Sort::Boolean => fill::<BoolType>(&mut column, values, Value::as_bool)?,
            Sort::Integer => fill::<Int64Type>(&mut column, values, Value::as_i64)?,
            Sort::Float => fill::<DoubleType>(&mut column, values, Value::as_f64)?,
            Sort::Text | Sort::Nothing => fill::<ByteArrayType>(&mut column, values, |value| {
                Some(ByteArray::from(cells::text(value).as_bytes().to_vec()))
            })?,
        }
        column.close()?;
    }
    row_group.close().map(drop)
}

/// Writes a column: level 1 says that a row has a value, which then is the next one.
fn fill<'a, T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: impl Iterator<Item = Option<&'a Value>>,
    convert: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let mut levels = Vec::new();
    let mut present = Vec::new();
    for value in values {
        let converted = value.and_then(&convert);
        levels.push(i16::from(converted.is_some()));
        present.extend(converted);
    }
    column
        .typed::<T>()
        .write_batch(&present, Some(&levels), None)
        .map(drop)
}
