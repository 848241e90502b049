//! Which Parquet type fits all values of a column.
//! Pure.

use parquet::{
    basic::{LogicalType, Repetition, Type as Physical},
    errors::ParquetError,
    schema::types::{Type, TypePtr},
};
use serde_json::Value;
use std::sync::Arc;

/// What has been seen in a column. Grows only: from nothing to one type, and from there to text, which fits all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    #[default]
    Nothing,
    Boolean,
    Integer,
    Float,
    Text,
}

impl Sort {
    #[must_use]
    pub(super) fn and(self, value: &Value) -> Self {
        let seen = match value {
            Value::Null => return self,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            // Larger than a signed integer of 64 bits: as a float it would be another number.
            Value::Number(number) if number.is_u64() => Self::Text,
            Value::Number(_) => Self::Float,
            _ => Self::Text,
        };
        match (self, seen) {
            (Self::Nothing, seen) => seen,
            (old, seen) if old == seen => old,
            (Self::Integer, Self::Float) | (Self::Float, Self::Integer) => Self::Float,
            _ => Self::Text,
        }
    }

    fn physical(self) -> Physical {
        match self {
            Self::Boolean => Physical::BOOLEAN,
            Self::Integer => Physical::INT64,
            Self::Float => Physical::DOUBLE,
            Self::Text | Self::Nothing => Physical::BYTE_ARRAY,
        }
    }
}

/// The schema of a table; every column may be null.
pub(super) fn schema(names: &[String], sorts: &[Sort]) -> Result<TypePtr, ParquetError> {
    let fields = names
        .iter()
        .zip(sorts)
        .map(|(name, sort)| {
            let physical = sort.physical();
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_type_that_fits_all_values_is_found() {
        let of = |values: &[Value]| {
            values
                .iter()
                .fold(Sort::Nothing, |sort, value| sort.and(value))
        };
        assert_eq!(of(&[json!(null), json!(1), json!(null)]), Sort::Integer);
        assert_eq!(of(&[json!(1), json!(1.5)]), Sort::Float);
        assert_eq!(of(&[json!(1.5), json!(true)]), Sort::Text);
        assert_eq!(of(&[json!(u64::MAX)]), Sort::Text);
        assert_eq!(of(&[json!({"a": 1})]), Sort::Text);
        assert_eq!(of(&[json!(null)]), Sort::Nothing);
    }
}
