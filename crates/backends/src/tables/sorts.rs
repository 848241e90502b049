//! Which type fits all values of a column, in formats whose columns have one.
//! Pure.

use serde_json::Value;

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
