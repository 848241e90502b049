//! Writes Arrow files, as Feather 2 calls them too.

use super::{cannot_write, cells, end, sorts::Sort, typed_write::Groups};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::{
    CompressionType,
    writer::{FileWriter, IpcWriteOptions},
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use onstage_core::{Error, Result};
use serde_json::{Map, Value};
use std::{fs::File, io::BufWriter, sync::Arc};

pub(super) struct ArrowGroups {
    writer: FileWriter<BufWriter<File>>,
    schema: SchemaRef,
}

impl Groups for ArrowGroups {
    fn begin(file: File, names: &[String], sorts: &[Sort]) -> Result<Self> {
        let fields = names
            .iter()
            .zip(sorts)
            .map(|(name, sort)| Field::new(name, data_type(*sort), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(broken)?;
        let writer = FileWriter::try_new_with_options(BufWriter::new(file), &schema, options);
        Ok(Self {
            writer: writer.map_err(broken)?,
            schema,
        })
    }

    fn write(
        &mut self,
        names: &[String],
        sorts: &[Sort],
        group: &[Map<String, Value>],
    ) -> Result<()> {
        let columns = names.iter().zip(sorts).map(|(name, sort)| {
            let values = group.iter().map(|row| row.get(name));
            column(*sort, values)
        });
        let batch = RecordBatch::try_new(self.schema.clone(), columns.collect()).map_err(broken)?;
        self.writer.write(&batch).map_err(broken)
    }

    fn end(self) -> Result<()> {
        // It writes the end as well.
        end(self.writer.into_inner().map_err(broken)?)
    }
}

fn data_type(sort: Sort) -> DataType {
    match sort {
        Sort::Boolean => DataType::Boolean,
        Sort::Integer => DataType::Int64,
        Sort::Float => DataType::Float64,
        Sort::Text | Sort::Nothing => DataType::Utf8,
    }
}

fn column<'a>(sort: Sort, values: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    match sort {
        Sort::Boolean => Arc::new(
            values
                .map(|value| value.and_then(Value::as_bool))
                .collect::<BooleanArray>(),
        ),
        Sort::Integer => Arc::new(
            values
                .map(|value| value.and_then(Value::as_i64))
                .collect::<Int64Array>(),
        ),
        Sort::Float => Arc::new(
            values
                .map(|value| value.and_then(Value::as_f64))
                .collect::<Float64Array>(),
        ),
        Sort::Text | Sort::Nothing => Arc::new(
            values
                .map(|value| value.filter(|value| !value.is_null()).map(cells::text))
                .collect::<StringArray>(),
        ),
    }
}

fn broken(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => cannot_write(error),
        other => Error::internal("the table cannot be written").because(other),
    }
}
