//! A cell of an Arrow column as JSON.
//! Pure.

use super::cells::{float, text};
use arrow_array::{
    Array, ArrowPrimitiveType,
    cast::AsArray,
    temporal_conversions::{as_date, as_datetime, as_duration, as_time},
    types::*,
};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Errors: why this cell cannot be told in JSON.
pub(super) fn cell(column: &dyn Array, row: usize) -> Result<Value, String> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    match column.data_type() {
        DataType::Null => Ok(Value::Null),
        DataType::Boolean => Ok(column.as_boolean().value(row).into()),
        DataType::Dictionary(..) => {
            let column = column.as_any_dictionary();
            let key = cell(column.keys(), row)?.as_u64();
            cell(column.values(), key.unwrap_or(0) as usize)
        }
        kind if kind.is_numeric() => number(column, row),
        kind if kind.is_temporal() => temporal(column, row),
        kind if kind.is_nested() => nested(column, row),
        _ => characters(column, row),
    }
}

fn number(column: &dyn Array, row: usize) -> Result<Value, String> {
    Ok(match column.data_type() {
        DataType::Int8 => native::<Int8Type>(column, row).into(),
        DataType::Int16 => native::<Int16Type>(column, row).into(),
        DataType::Int32 => native::<Int32Type>(column, row).into(),
        DataType::Int64 => native::<Int64Type>(column, row).into(),
        DataType::UInt8 => native::<UInt8Type>(column, row).into(),
        DataType::UInt16 => native::<UInt16Type>(column, row).into(),
        DataType::UInt32 => native::<UInt32Type>(column, row).into(),
        DataType::UInt64 => native::<UInt64Type>(column, row).into(),
        // The shortest decimal that is this number: 0.1 stays 0.1.
        DataType::Float16 => float(parsed(&native::<Float16Type>(column, row))),
        DataType::Float32 => float(parsed(&native::<Float32Type>(column, row))),
        DataType::Float64 => float(native::<Float64Type>(column, row)),
        DataType::Decimal32(..) => decimal::<Decimal32Type>(column, row),
        DataType::Decimal64(..) => decimal::<Decimal64Type>(column, row),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(column, row),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(column, row),
        _ => return unreadable(column),
    })
}

fn characters(column: &dyn Array, row: usize) -> Result<Value, String> {
    match column.data_type() {
        DataType::Utf8 => Ok(column.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Ok(column.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Ok(column.as_string_view().value(row).into()),
        DataType::Binary => bytes(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => bytes(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => bytes(column.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => bytes(column.as_fixed_size_binary().value(row)),
        _ => unreadable(column),
    }
}

fn temporal(column: &dyn Array, row: usize) -> Result<Value, String> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match column.data_type() {
        DataType::Date32 => date::<Date32Type>(column, row),
        DataType::Date64 => date::<Date64Type>(column, row),
        DataType::Time32(Second) => time::<Time32SecondType>(column, row),
        DataType::Time32(_) => time::<Time32MillisecondType>(column, row),
        DataType::Time64(Microsecond) => time::<Time64MicrosecondType>(column, row),
        DataType::Time64(_) => time::<Time64NanosecondType>(column, row),
        DataType::Timestamp(Second, zone) => moment::<TimestampSecondType>(column, row, zone),
        DataType::Timestamp(Millisecond, zone) => {
            moment::<TimestampMillisecondType>(column, row, zone)
        }
        DataType::Timestamp(Microsecond, zone) => {
            moment::<TimestampMicrosecondType>(column, row, zone)
        }
        DataType::Timestamp(Nanosecond, zone) => {
            moment::<TimestampNanosecondType>(column, row, zone)
        }
        DataType::Duration(Second) => duration::<DurationSecondType>(column, row),
        DataType::Duration(Millisecond) => duration::<DurationMillisecondType>(column, row),
        DataType::Duration(Microsecond) => duration::<DurationMicrosecondType>(column, row),
        DataType::Duration(Nanosecond) => duration::<DurationNanosecondType>(column, row),
        _ => unreadable(column),
    }
}

fn nested(column: &dyn Array, row: usize) -> Result<Value, String> {
    match column.data_type() {
        DataType::List(_) => list(&*column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&*column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&*column.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(column.as_struct().columns());
            let cells =
                columns.map(|(field, column)| Ok((field.name().clone(), cell(column, row)?)));
            cells.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let cells = (0..entries.len()).map(|at| {
                let key = text(&cell(keys, at)?).into_owned();
                Ok((key, cell(values, at)?))
            });
            cells.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        _ => unreadable(column),
    }
}

fn unreadable(column: &dyn Array) -> Result<Value, String> {
    Err(format!(
        "a column of type {} cannot be read here",
        column.data_type()
    ))
}

fn native<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> T::Native {
    column.as_primitive::<T>().value(row)
}

fn decimal<T: DecimalType>(column: &dyn Array, row: usize) -> Value {
    column.as_primitive::<T>().value_as_string(row).into()
}

fn parsed(number: &impl ToString) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}

fn bytes(bytes: &[u8]) -> Result<Value, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err("it holds bytes that are not text".to_owned()),
    }
}

fn list(cells: &dyn Array) -> Result<Value, String> {
    (0..cells.len()).map(|at| cell(cells, at)).collect()
}

fn date<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> Result<Value, String>
where
    i64: From<T::Native>,
{
    told(as_date::<T>(native::<T>(column, row).into()), "")
}

fn time<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> Result<Value, String>
where
    i64: From<T::Native>,
{
    told(as_time::<T>(native::<T>(column, row).into()), "")
}

fn moment<T: ArrowPrimitiveType>(
    column: &dyn Array,
    row: usize,
    zone: &Option<Arc<str>>,
) -> Result<Value, String>
where
    i64: From<T::Native>,
{
    // What has a zone is kept as UTC.
    let zone = if zone.is_some() { " +00:00" } else { "" };
    told(as_datetime::<T>(native::<T>(column, row).into()), zone)
}

/// As ISO 8601 has them: `PT1.5S`.
fn duration<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> Result<Value, String>
where
    i64: From<T::Native>,
{
    told(as_duration::<T>(native::<T>(column, row).into()), "")
}

fn told(value: Option<impl ToString>, zone: &str) -> Result<Value, String> {
    let value = value.ok_or("it holds a time that no calendar has")?;
    Ok(Value::String(format!("{}{zone}", value.to_string())))
}
