//! Columns by name, and a cell's value as text.
//! Does not know formats.

use super::COLUMNS_MAX;
use onstage_core::{Error, Result, ports::Row};
use serde_json::{Map, Number, Value};
use std::{borrow::Cow, collections::HashSet};

/// The columns of a table that is written.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    known: HashSet<String>,
}

impl Columns {
    pub(super) fn new(names: &[String]) -> Result<Self> {
        check_names(names)?;
        Ok(Self {
            names: names.to_vec(),
            known: names.iter().cloned().collect(),
        })
    }

    /// The row's values in column order; none where the row has no such column.
    pub(super) fn in_order<'a>(
        &'a self,
        row: &'a Map<String, Value>,
    ) -> Result<impl Iterator<Item = (&'a str, Option<&'a Value>)>> {
        if let Some(other) = row.keys().find(|name| !self.known.contains(*name)) {
            return Err(Error::invalid(format!("the table has no column `{other}`")));
        }
        Ok(self.names.iter().map(|name| (name.as_str(), row.get(name))))
    }
}

/// Names must be there, once each.
pub(super) fn check_names(names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Err(Error::invalid("the table has no columns"));
    }
    if names.len() > COLUMNS_MAX {
        return Err(Error::invalid(format!(
            "the table has {} columns, at most {COLUMNS_MAX}",
            names.len()
        )));
    }
    let mut seen = HashSet::new();
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(
                Error::invalid(format!("column {} of the table has no name", at + 1))
                    .hint("the first line names the columns"),
            );
        }
        if !seen.insert(name) {
            return Err(
                Error::invalid(format!("the table has two columns named `{name}`"))
                    .hint("rename one of them"),
            );
        }
    }
    Ok(())
}

/// A row of columns whose types tell their cells; one that cannot be told is the row's error.
pub(super) fn row(
    number: u64,
    cells: impl Iterator<Item = (String, std::result::Result<Value, String>)>,
) -> Row {
    cells
        .map(|(name, cell)| match cell {
            Ok(value) => Ok((name, value)),
            Err(why) => Err(format!("row {number}, column `{name}`: {why}")),
        })
        .collect()
}

/// A value as a cell of text: null is empty, text is itself, lists and objects are JSON.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// JSON has no NaN and no infinity; both are "no value", as in pandas.
pub(super) fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
