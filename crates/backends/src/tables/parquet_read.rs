//! Reads Parquet row by row, pages at a time.
//! The library panics on some damaged files.

use super::{
    breaks_off,
    cells::{check_names, float, row},
    guarded, no_rows,
};
use onstage_core::{
    Error, Result,
    ports::{Row, TableReader},
};
use parquet::{
    errors::ParquetError,
    file::{
        reader::{ChunkReader, FileReader},
        serialized_reader::SerializedFileReader,
    },
    record::{Field, reader::RowIter},
};
use serde_json::{Map, Value};

pub(super) struct ParquetReader {
    rows: RowIter<'static>,
    columns: Vec<String>,
    total: u64,
    number: u64,
    /// Why nothing more can be read.
    broken: Option<String>,
}

impl ParquetReader {
    pub(super) fn open(file: impl ChunkReader + 'static) -> Result<Self> {
        let opened = guarded(|| -> Result<Self, ParquetError> {
            let reader = SerializedFileReader::new(file)?;
            let meta = reader.metadata().file_metadata();
            let total = u64::try_from(meta.num_rows()).unwrap_or(0);
            let columns: Vec<String> = meta
                .schema()
                .get_fields()
                .iter()
                .map(|field| field.name().to_owned())
                .collect();
            Ok(Self {
                rows: RowIter::from_file_into(Box::new(reader)),
                columns,
                total,
                number: 0,
                broken: None,
            })
        });
        let table = opened.map_err(|why| {
            Error::invalid(format!("the table is not a whole Parquet file: {why}"))
                .hint("a file that was cut while it was sent has no end; send it again")
        })?;
        check_names(&table.columns)?;
        if table.total == 0 {
            return Err(no_rows());
        }
        Ok(table)
    }
}

impl TableReader for ParquetReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn rows_total(&self) -> Option<u64> {
        Some(self.total)
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        if let Some(why) = &self.broken {
            return Err(breaks_off(why));
        }
        let why = match guarded(|| self.rows.next().transpose()) {
            Ok(Some(record)) => {
                self.number += 1;
                let cells = record.into_columns().into_iter();
                let cells = cells.map(|(name, field)| (name, guarded(|| json(&field))));
                return Ok(Some(row(self.number, cells)));
            }
            Ok(None) if self.number >= self.total => return Ok(None),
            Ok(None) => format!("it has {} rows and says {}", self.number, self.total),
            Err(why) => format!("row {} cannot be read: {why}", self.number + 1),
        };
        Err(breaks_off(self.broken.insert(why)))
    }
}

fn json(field: &Field) -> Result<Value, String> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => (*value).into(),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        // The shortest decimal that is this number: 0.1 stays 0.1.
        Field::Float16(value) => float(value.to_string().parse().unwrap_or(f64::NAN)),
        Field::Float(value) => float(value.to_string().parse().unwrap_or(f64::NAN)),
        Field::Double(value) => float(*value),
        Field::Str(text) => Value::String(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => return Err("it holds bytes that are not text".to_owned()),
        },
        Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => Value::String(field.to_string()),
        Field::Group(record) => {
            let fields = record.get_column_iter();
            Value::Object(
                fields
                    .map(|(name, field)| Ok((name.clone(), json(field)?)))
                    .collect::<Result<Map<_, _>, String>>()?,
            )
        }
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().map(json).collect::<Result<_, _>>()?)
        }
        Field::MapInternal(map) => {
            let entries = map.entries().iter();
            Value::Object(
                entries
                    .map(|(key, value)| {
                        Ok((super::cells::text(&json(key)?).into_owned(), json(value)?))
                    })
                    .collect::<Result<Map<_, _>, String>>()?,
            )
        }
    })
}
