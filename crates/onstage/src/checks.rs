//! Input and output checks on the `jsonschema` crate: compiled once per version, every violation in words.
//! Does not know HTTP, tables or workers.

mod coerce;
mod words;

use bytes::Bytes;
use jsonschema::{Draft, Validator};
use onstage_core::{
    Error, Result,
    ports::{CheckError, InputCheck, OutputCheck},
    schema::ModelSchema,
    tensor::Described,
};
use onstage_engine::Checks;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Violations named in one answer.
const VIOLATIONS_MAX: usize = 50;

/// Compiles schemas.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonSchemaChecks;

impl Checks for JsonSchemaChecks {
    fn input(&self, schema: &ModelSchema) -> Result<Arc<dyn InputCheck>> {
        let fields = schema
            .input()
            .and_then(|input| input.get("properties"))
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let required = schema
            .input()
            .and_then(|input| input.get("required"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        Ok(Arc::new(Input {
            compiled: compile(schema, "Input")?,
            fields: coerce::Fields {
                fields,
                required,
                definitions: schema.components.schemas.clone(),
            },
        }))
    }

    fn output(&self, schema: &ModelSchema) -> Result<Arc<dyn OutputCheck>> {
        let open = schema
            .output()
            .is_none_or(|output| output.as_object().is_some_and(Map::is_empty));
        Ok(Arc::new(Output {
            compiled: if open {
                None
            } else {
                Some(compile(schema, "Output")?)
            },
        }))
    }
}

fn compile(schema: &ModelSchema, name: &str) -> Result<Validator> {
    let document = json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": {"schemas": schema.components.schemas},
    });
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        // Files are strings of format `uri` that need not be addresses.
        .should_validate_formats(false)
        .build(&document)
        .map_err(|error| {
            Error::invalid(format!("the model's schema `{name}` is not a JSON Schema"))
                .because(error.to_string())
        })
}

struct Input {
    compiled: Validator,
    fields: coerce::Fields,
}

impl InputCheck for Input {
    fn check(&self, json: &[u8]) -> Result<(), Vec<CheckError>> {
        let value = parse(json)?;
        refuse_reserved(&value)?;
        check(&self.compiled, &value)
    }

    fn coerce(&self, cells: &[(String, Value)]) -> Result<Bytes, Vec<CheckError>> {
        let value = Value::Object(self.fields.coerce(cells));
        refuse_reserved(&value)?;
        check(&self.compiled, &value)?;
        Ok(Bytes::from(value.to_string()))
    }
}

/// Our own ways to say "a file": a caller who could write them would read files, blobs and datasets that are not theirs.
const RESERVED_KEYS: [&str; 4] = ["$attachment", "$blob", "$dataset", "$path"];

fn refuse_reserved(value: &Value) -> Result<(), Vec<CheckError>> {
    match reserved_in(value, "") {
        None => Ok(()),
        Some(pointer) => Err(vec![CheckError {
            pointer,
            expected: "no key that Onstage keeps for itself".to_owned(),
            got: "`$attachment`, `$blob`, `$dataset` or `$path`".to_owned(),
        }]),
    }
}

/// Where the first reserved key is. Nesting is bounded by the parser.
fn reserved_in(value: &Value, at: &str) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, inner)| {
            if RESERVED_KEYS.contains(&key.as_str()) {
                Some(format!("{at}/{key}"))
            } else {
                reserved_in(inner, &format!("{at}/{key}"))
            }
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, inner)| reserved_in(inner, &format!("{at}/{index}"))),
        _ => None,
    }
}

struct Output {
    /// None when the author declared nothing: any JSON will do.
    compiled: Option<Validator>,
}

impl OutputCheck for Output {
    fn check(&self, json: &[u8]) -> Result<(), Vec<CheckError>> {
        let Some(compiled) = &self.compiled else {
            return Ok(());
        };
        let mut value = parse(json)?;
        files_are_strings(&mut value);
        check(compiled, &value)
    }
}

/// On the worker's wire a file is an object; the schema speaks of the string that leaves over HTTP, and of a tensor's list.
fn files_are_strings(value: &mut Value) {
    match value {
        Value::Object(object)
            if object.contains_key("$attachment") || object.contains_key("$blob") =>
        {
            // A tensor's numbers are not looked at: there may be a million.
            *value = match Described::of(object) {
                Some(tensor) => tensor.with_data(&json!([])),
                None => Value::String("file".to_owned()),
            };
        }
        Value::Object(object) => object.values_mut().for_each(files_are_strings),
        Value::Array(list) => list.iter_mut().for_each(files_are_strings),
        _ => {}
    }
}

fn parse(json: &[u8]) -> Result<Value, Vec<CheckError>> {
    serde_json::from_slice(json).map_err(|error| {
        vec![CheckError {
            pointer: String::new(),
            expected: "JSON".to_owned(),
            got: error.to_string(),
        }]
    })
}

fn check(compiled: &Validator, value: &Value) -> Result<(), Vec<CheckError>> {
    if compiled.is_valid(value) {
        return Ok(());
    }
    let mut errors = Vec::new();
    for error in compiled.iter_errors(value) {
        words::describe(&error, &mut errors);
        if errors.len() >= VIOLATIONS_MAX {
            break;
        }
    }
    errors.truncate(VIOLATIONS_MAX);
    Err(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(input: &Value) -> ModelSchema {
        serde_json::from_value(json!({
            "components": {"schemas": {
                "Input": input,
                "Output": {"type": "number"},
                "Point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
            }}
        }))
        .unwrap()
    }

    fn input() -> Arc<dyn InputCheck> {
        JsonSchemaChecks
            .input(&schema(&json!({
                "type": "object",
                "properties": {
                    "age": {"type": "integer", "minimum": 0},
                    "sex": {"type": "string", "enum": ["f", "m"]},
                    "note": {"type": ["string", "null"], "nullable": true},
                    "sure": {"type": "boolean"},
                    "at": {"anyOf": [{"$ref": "#/components/schemas/Point"}, {"type": "null"}]},
                    "many": {"type": "array", "items": {"type": "number"}},
                },
                "required": ["age"],
                "additionalProperties": false,
            })))
            .unwrap()
    }

    fn pointers(json: &str) -> Vec<String> {
        let errors = input().check(json.as_bytes()).unwrap_err();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn every_violation_is_named_where_it_is() {
        assert!(input().check(br#"{"age": 3, "at": {"x": 1}}"#).is_ok());
        assert_eq!(pointers("{}"), ["/age"]);
        assert_eq!(pointers(r#"{"age": -1, "sex": "x"}"#), ["/age", "/sex"]);
        assert_eq!(pointers(r#"{"age": 1, "agee": 2}"#), ["/agee"]);
        assert_eq!(pointers(r#"{"age": 1, "many": [1, "b"]}"#), ["/many/1"]);
        assert_eq!(pointers(r#"{"age": 1, "at": {"x": "one"}}"#), ["/at/x"]);
        assert_eq!(pointers("[]"), [""]);
    }

    #[test]
    fn words_say_what_is_wanted() {
        let errors = input().check(br#"{"age": "old", "sex": "x"}"#).unwrap_err();
        assert_eq!(errors[0].expected, "a whole number");
        assert_eq!(errors[0].got, "\"old\"");
        assert_eq!(errors[1].expected, "one of \"f\", \"m\"");
    }

    #[test]
    fn cells_become_what_the_schema_wants() {
        let cells = |pairs: &[(&str, &str)]| -> Vec<(String, Value)> {
            pairs
                .iter()
                .map(|(name, text)| ((*name).to_owned(), Value::from(*text)))
                .collect()
        };
        let row = input()
            .coerce(&cells(&[
                ("age", " 3.0 "),
                ("sure", "yes"),
                ("note", "12"),
                ("sex", ""),
                ("many", "[1, 2]"),
                ("at", r#"{"x": 1}"#),
            ]))
            .unwrap();
        let row: Value = serde_json::from_slice(&row).unwrap();
        assert_eq!(
            row,
            json!({"age": 3, "sure": true, "note": "12", "many": [1, 2], "at": {"x": 1}})
        );
        let errors = input().coerce(&cells(&[("age", "three")])).unwrap_err();
        assert_eq!(errors[0].pointer, "/age");
    }

    #[test]
    fn outputs_are_fenced_and_files_are_strings() {
        let mut schema = schema(&json!({}));
        let check = JsonSchemaChecks.output(&schema).unwrap();
        assert!(check.check(b"1.5").is_ok());
        assert!(check.check(b"\"one\"").is_err());
        let output = json!({"type": "string", "format": "uri"});
        schema
            .components
            .schemas
            .insert("Output".to_owned(), output);
        let check = JsonSchemaChecks.output(&schema).unwrap();
        assert!(check.check(br#"{"$attachment": 0}"#).is_ok());
        assert!(
            check
                .check(br#"{"$attachment": 0, "dtype": "int8", "shape": [2]}"#)
                .is_err()
        );
        schema
            .components
            .schemas
            .insert("Output".to_owned(), json!({}));
        assert!(
            JsonSchemaChecks
                .output(&schema)
                .unwrap()
                .check(b"[{}]")
                .is_ok()
        );
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        let broken = schema(&json!({"type": "nonsense"}));
        assert!(JsonSchemaChecks.input(&broken).is_err());
    }
}
