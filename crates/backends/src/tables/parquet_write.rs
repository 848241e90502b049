//! Writes Parquet.

use super::{cannot_write, cells, end, sorts::Sort, typed_write::Groups};
use onstage_core::{Error, Result};
use parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::{Type, TypePtr},
};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    sync::Arc,
};

pub(super) struct ParquetGroups(SerializedFileWriter<BufWriter<File>>);

impl Groups for ParquetGroups {
    fn begin(file: File, names: &[String], sorts: &[Sort]) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let schema = schema(names, sorts).map_err(broken)?;
        SerializedFileWriter::new(BufWriter::new(file), schema, Arc::new(properties))
            .map(Self)
            .map_err(broken)
    }

    fn write(
        &mut self,
        names: &[String],
        sorts: &[Sort],
        group: &[Map<String, Value>],
    ) -> Result<()> {
        write_group(&mut self.0, names, sorts, group).map_err(broken)
    }

    fn end(self) -> Result<()> {
        end(self.0.into_inner().map_err(broken)?)
    }
}

/// The schema of a table; every column may be null.
fn schema(names: &[String], sorts: &[Sort]) -> Result<TypePtr, ParquetError> {
    let fields = names
        .iter()
        .zip(sorts)
        .map(|(name, sort)| {
            let physical = physical(*sort);
            let logical = (physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map(Arc::new)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("schema")
        .with_fields(fields)
        .build()
        .map(Arc::new)
}

fn physical(sort: Sort) -> Physical {
    match sort {
        Sort::Boolean => Physical::BOOLEAN,
        Sort::Integer => Physical::INT64,
        Sort::Float => Physical::DOUBLE,
        Sort::Text | Sort::Nothing => Physical::BYTE_ARRAY,
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
