//! What rows say of a column: its type, and how often its value is missing.
//! Pure.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// What all values of a column are, as far as they were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Integer,
    Number,
    Boolean,
    Date,
    Time,
    Text,
    List,
    Object,
    Mixed,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::Text => "text",
            Self::List => "list",
            Self::Object => "object",
            Self::Mixed => "mixed",
        }
    }

    /// Of a cell of CSV, where everything is written as text.
    fn of_cell(text: &str) -> Self {
        if text.parse::<i64>().is_ok() {
            Self::Integer
        } else if text.parse::<f64>().is_ok() {
            Self::Number
        } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            Self::Boolean
        } else {
            Self::of_text(text)
        }
    }

    fn of_text(text: &str) -> Self {
        const DATE_CHARS: usize = 10;
        if !text.starts_with(|c: char| c.is_ascii_digit()) || text.len() < DATE_CHARS {
            return Self::Text;
        }
        if text.len() == DATE_CHARS {
            let date = text.parse::<jiff::civil::Date>();
            return date.map_or(Self::Text, |_| Self::Date);
        }
        let time = text.parse::<jiff::Timestamp>().is_ok()
            || text.parse::<jiff::civil::DateTime>().is_ok();
        if time { Self::Time } else { Self::Text }
    }

    fn of_value(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(text) => Self::of_text(text),
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        })
    }

    /// What both are.
    fn and(self, other: Self, cells: bool) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            (Self::Date, Self::Time) | (Self::Time, Self::Date) => Self::Time,
            (Self::Date | Self::Time | Self::Text, Self::Date | Self::Time | Self::Text) => {
                Self::Text
            }
            _ if cells => Self::Text,
            _ => Self::Mixed,
        }
    }
}

/// One column so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// None until a value was seen.
    pub(crate) kind: Option<Type>,
    pub(crate) missing: u64,
}

/// All columns of a table.
pub(super) struct Columns {
    all: Vec<Column>,
    places: HashMap<String, usize>,
    rows: u64,
    /// Everything is text: what it means is to be guessed.
    cells: bool,
}

impl Columns {
    pub(super) fn new(names: &[String], cells: bool) -> Self {
        let mut columns = Self {
            all: Vec::new(),
            places: HashMap::new(),
            rows: 0,
            cells,
        };
        for name in names {
            columns.place(name);
        }
        columns
    }

    pub(super) fn see(&mut self, row: &Map<String, Value>) {
        for (name, value) in row {
            let kind = match value {
                Value::String(text) if self.cells && text.trim().is_empty() => None,
                Value::String(text) if self.cells => Some(Type::of_cell(text.trim())),
                value => Type::of_value(value),
            };
            let place = self.place(name);
            let (column, cells) = (&mut self.all[place], self.cells);
            match (kind, column.kind) {
                (None, _) => column.missing += 1,
                (Some(new), None) => column.kind = Some(new),
                (Some(new), Some(known)) => column.kind = Some(known.and(new, cells)),
            }
        }
        if row.len() < self.all.len() {
            for column in &mut self.all {
                column.missing += u64::from(!row.contains_key(&column.name));
            }
        }
        self.rows += 1;
    }

    /// Where a column is; rows of JSON lines bring new ones, which all rows before lacked.
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        self.all.push(Column {
            name: name.to_owned(),
            kind: None,
            missing: self.rows,
        });
        self.places.insert(name.to_owned(), self.all.len() - 1);
        self.all.len() - 1
    }

    pub(super) fn done(self) -> Vec<Column> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(rows: &[Value], cells: bool) -> Vec<(String, &'static str, u64)> {
        let mut columns = Columns::new(&["a".to_owned()], cells);
        for row in rows {
            columns.see(row.as_object().unwrap());
        }
        let shown = |column: Column| {
            let kind = column.kind.map_or("none", Type::name);
            (column.name, kind, column.missing)
        };
        columns.done().into_iter().map(shown).collect()
    }

    fn of_cells(cells: &[&str]) -> (&'static str, u64) {
        let rows: Vec<Value> = cells.iter().map(|cell| json!({ "a": cell })).collect();
        let (_, kind, missing) = seen(&rows, true).remove(0);
        (kind, missing)
    }

    #[test]
    fn cells_say_what_their_column_is() {
        assert_eq!(of_cells(&["1", "-2", ""]), ("integer", 1));
        assert_eq!(of_cells(&["1", "2.5", " ", "1e3"]), ("number", 1));
        assert_eq!(of_cells(&["True", "false"]), ("boolean", 0));
        assert_eq!(of_cells(&["2026-01-31", "2026-02-01"]), ("date", 0));
        let times = ["2026-01-31T10:00:00Z", "2026-01-31 10:00", "2026-01-31"];
        assert_eq!(of_cells(&times), ("time", 0));
        assert_eq!(of_cells(&["1", "two"]), ("text", 0));
        assert_eq!(of_cells(&["2026-13-31", "2026-01-31"]), ("text", 0));
        assert_eq!(of_cells(&["", ""]), ("none", 2));
    }

    #[test]
    fn values_have_types_of_their_own_and_may_be_left_out() {
        let rows = [
            json!({"a": "1", "b": 1}),
            json!({"b": 2.5, "c": [1]}),
            json!({"a": 2, "b": null, "c": []}),
        ];
        let expected = [("a", "mixed", 1), ("b", "number", 1), ("c", "list", 1)];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, kind, missing)| (name.to_owned(), kind, missing))
            .collect();
        assert_eq!(seen(&rows, false), expected);
    }
}
