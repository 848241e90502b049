//! The texts of an input that stand for something else, a file or a dataset: found by the schema.
//! Does not know what they stand for.

use onstage_core::schema::ModelSchema;
use serde_json::{Map, Value as Json};

/// Schemas inside schemas.
const SCHEMA_DEPTH_MAX: usize = 32;
/// What a file may be called in a schema.
const FILE_TYPES: [&str; 5] = ["file", "image", "audio", "video", "table"];
const DATASET: &str = "dataset";

/// A text that stands for something else.
#[derive(Debug, PartialEq)]
pub struct StandIn {
    /// JSON pointer into the input.
    pub pointer: String,
    pub text: String,
    pub is_dataset: bool,
}

impl StandIn {
    /// Puts something into the text's place.
    pub fn replace(&self, tree: &mut Json, value: Json) {
        if let Some(place) = tree.pointer_mut(&self.pointer) {
            *place = value;
        }
    }
}

/// In the order of the input's fields, each once.
pub fn find(tree: &Json, schema: &ModelSchema) -> Vec<StandIn> {
    let mut found = Search {
        definitions: &schema.components.schemas,
        found: Vec::new(),
    };
    if let Some(input) = schema.input() {
        found.walk(tree, input, "", SCHEMA_DEPTH_MAX);
    }
    found.found
}

/// Whether any input of this model can be a file or a dataset.
pub fn may_have_files(schema: &ModelSchema) -> bool {
    schema.components.schemas.values().any(has_file_type)
}

fn has_file_type(schema: &Json) -> bool {
    match schema {
        Json::Object(object) => is_file_type(object) || object.values().any(has_file_type),
        Json::Array(list) => list.iter().any(has_file_type),
        _ => false,
    }
}

fn is_file_type(schema: &Map<String, Json>) -> bool {
    type_of(schema).is_some_and(|kind| kind == DATASET || FILE_TYPES.contains(&kind))
}

/// The type that a schema says of itself.
fn type_of(schema: &Map<String, Json>) -> Option<&str> {
    schema.get("x-onstage-type").and_then(Json::as_str)
}

struct Search<'a> {
    definitions: &'a Map<String, Json>,
    found: Vec<StandIn>,
}

impl Search<'_> {
    fn walk(&mut self, value: &Json, schema: &Json, pointer: &str, depth_left: usize) {
        let Some(object) = schema.as_object().filter(|_| depth_left > 0) else {
            return;
        };
        let kind = type_of(object);
        let is_dataset = kind == Some(DATASET);
        if is_dataset || kind.is_some_and(|kind| FILE_TYPES.contains(&kind)) {
            if let Json::String(text) = value {
                self.add(pointer, text, is_dataset);
            }
            return;
        }
        let referred = object
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|path| self.definitions.get(path.rsplit('/').next()?));
        let branches = ["anyOf", "oneOf", "allOf"]
            .iter()
            .filter_map(|key| object.get(*key)?.as_array())
            .flatten();
        for inner in branches.chain(referred) {
            self.walk(value, inner, pointer, depth_left - 1);
        }
        match value {
            Json::Object(fields) => {
                let properties = object.get("properties").and_then(Json::as_object);
                let others = object.get("additionalProperties");
                for (name, field) in fields {
                    if let Some(schema) = properties.and_then(|p| p.get(name)).or(others) {
                        let name = name.replace('~', "~0").replace('/', "~1");
                        self.walk(field, schema, &format!("{pointer}/{name}"), depth_left - 1);
                    }
                }
            }
            Json::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    if let Some(schema) = object.get("items") {
                        self.walk(item, schema, &format!("{pointer}/{place}"), depth_left - 1);
                    }
                }
            }
            _ => {}
        }
    }

    /// Of several types that a text may have, the first counts.
    fn add(&mut self, pointer: &str, text: &str, is_dataset: bool) {
        if self.found.iter().all(|found| found.pointer != pointer) {
            self.found.push(StandIn {
                pointer: pointer.to_owned(),
                text: text.to_owned(),
                is_dataset,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_found_where_the_schema_has_them_each_once() {
        let schema: ModelSchema = serde_json::from_value(json!({"components": {"schemas": {
            "Input": {"properties": {
                "photo": {"type": "string", "x-onstage-type": "image"},
                "data": {"type": "string", "x-onstage-type": "dataset"},
                "more": {"type": "array", "items": {"$ref": "#/components/schemas/Shot"}},
                "any/way~": {"anyOf": [{"x-onstage-type": "image"}, {"x-onstage-type": "file"}]},
                "text": {"type": "string"},
            }},
            "Shot": {"properties": {"file": {"anyOf": [{"type": "null"}, {"x-onstage-type": "file"}]}}},
        }}}))
        .unwrap();
        let mut tree = json!({
            "photo": "data:,a", "data": "labels", "more": [{"file": "data:,b"}, {"file": null}],
            "any/way~": "data:,c", "text": "data:,d",
        });
        let found = find(&tree, &schema);
        let told: Vec<(&str, &str, bool)> = found
            .iter()
            .map(|it| (it.pointer.as_str(), it.text.as_str(), it.is_dataset))
            .collect();
        assert_eq!(
            told,
            [
                ("/photo", "data:,a", false),
                ("/data", "labels", true),
                ("/more/0/file", "data:,b", false),
                ("/any~1way~0", "data:,c", false)
            ]
        );
        found[3].replace(&mut tree, json!(7));
        assert_eq!(tree["any/way~"], 7);
        assert_eq!(tree["text"], "data:,d");
    }
}
