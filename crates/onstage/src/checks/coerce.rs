//! Table cells and form fields made into what a schema wants: text becomes numbers, truth values, lists.
//! Does not check the outcome; what cannot be made stays as it is, and the check names it.

use serde_json::{Map, Number, Value};

/// The inputs of a model by name.
pub(super) struct Fields {
    pub(super) fields: Map<String, Value>,
    pub(super) required: Vec<String>,
    pub(super) definitions: Map<String, Value>,
}

/// How many `$ref`s are followed to find a type.
const REFS_MAX: usize = 8;

impl Fields {
    pub(super) fn coerce(&self, cells: &[(String, Value)]) -> Map<String, Value> {
        cells
            .iter()
            .filter_map(|(name, cell)| {
                let kinds = self
                    .fields
                    .get(name)
                    .map(|field| self.kinds(field, REFS_MAX))
                    .unwrap_or_default();
                let required = self.required.contains(name);
                value(cell, kinds, required).map(|value| (name.clone(), value))
            })
            .collect()
    }

    /// The types that a schema allows.
    fn kinds(&self, schema: &Value, refs_left: usize) -> Kinds {
        let mut kinds = Kinds::default();
        match schema.get("type") {
            Some(Value::String(one)) => kinds.add(one),
            Some(Value::Array(many)) => many
                .iter()
                .filter_map(Value::as_str)
                .for_each(|one| kinds.add(one)),
            _ => {}
        }
        let choices = schema.get("enum").and_then(Value::as_array);
        for choice in choices.into_iter().flatten() {
            kinds.add(match choice {
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "boolean",
                _ => "null",
            });
        }
        if refs_left == 0 {
            return kinds;
        }
        let referred = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|path| path.rsplit('/').next())
            .and_then(|name| self.definitions.get(name));
        let branches = ["anyOf", "oneOf", "allOf"]
            .iter()
            .filter_map(|key| schema.get(key)?.as_array())
            .flatten();
        for inner in branches.chain(referred) {
            kinds = kinds.or(self.kinds(inner, refs_left - 1));
        }
        kinds
    }
}

/// Which JSON types fit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Kinds {
    null: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    string: bool,
    nested: bool,
}

impl Kinds {
    fn add(&mut self, name: &str) {
        match name {
            "null" => self.null = true,
            "boolean" => self.boolean = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "string" => self.string = true,
            _ => self.nested = true,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            null: self.null || other.null,
            boolean: self.boolean || other.boolean,
            integer: self.integer || other.integer,
            number: self.number || other.number,
            string: self.string || other.string,
            nested: self.nested || other.nested,
        }
    }
}

/// The value of a cell; `None` when an empty cell means that the input is absent.
fn value(cell: &Value, kinds: Kinds, required: bool) -> Option<Value> {
    match cell {
        Value::Null if kinds.null || required => Some(Value::Null),
        Value::Null => None,
        Value::String(text) if text.is_empty() => (kinds.string && required).then(|| cell.clone()),
        Value::String(text) => Some(from_text(text, kinds)),
        Value::Number(number) if kinds.string && !kinds.number && !kinds.integer => {
            Some(Value::String(number.to_string()))
        }
        Value::Number(number) if kinds.boolean && !kinds.number && !kinds.integer => {
            Some(truth(&number.to_string()).map_or_else(|| cell.clone(), Value::Bool))
        }
        Value::Number(number) if kinds.integer => Some(whole(number)),
        Value::Bool(truth) if kinds.string && !kinds.boolean => {
            Some(Value::String(truth.to_string()))
        }
        other => Some(other.clone()),
    }
}

fn from_text(text: &str, kinds: Kinds) -> Value {
    let trimmed = text.trim();
    if (kinds.integer || kinds.number)
        && let Ok(number) = serde_json::from_str::<Number>(trimmed.trim_start_matches('+'))
    {
        return if kinds.integer {
            whole(&number)
        } else {
            Value::Number(number)
        };
    }
    if kinds.boolean
        && let Some(truth) = truth(trimmed)
    {
        return Value::Bool(truth);
    }
    if kinds.nested
        && let Ok(nested @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(trimmed)
    {
        return nested;
    }
    if kinds.null && !kinds.string && matches!(trimmed, "null" | "None" | "NA" | "NaN" | "nan") {
        return Value::Null;
    }
    Value::String(text.to_owned())
}

/// 3.0 is 3 where whole numbers are wanted; 3.5 stays, and the check names it.
fn whole(number: &Number) -> Value {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9.0e15 => {
            Value::from(float as i64)
        }
        _ => Value::Number(number.clone()),
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" | "t" => Some(true),
        "false" | "no" | "n" | "off" | "0" | "f" => Some(false),
        _ => None,
    }
}
