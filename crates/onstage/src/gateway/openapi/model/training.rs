//! What a model's training takes and gives, under the names that Cog's document has for them: `TrainingInput`, `TrainingOutput`.
//! Does not know predictions.

use onstage_core::schema::TrainingSchema;
use serde_json::{Map, Value, json};

const PLACE: &str = "#/components/schemas/";
/// Before the names of all that a training's schemas refer to: predictions may have others of the same name.
const PREFIX: &str = "Training";

pub(super) fn schemas(training: &TrainingSchema) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, schema) in &training.components.schemas {
        let mut schema = schema.clone();
        rename_references(&mut schema);
        if name == "Input" {
            schema["title"] = "TrainingInput".into();
        }
        all.insert(format!("{PREFIX}{name}"), schema);
    }
    all.insert("TrainingOutput".to_owned(), output());
    all.insert("TrainingRequest".to_owned(), request());
    all.insert("TrainingResponse".to_owned(), response());
    all
}

fn rename_references(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                match inner.as_str().and_then(|text| text.strip_prefix(PLACE)) {
                    Some(name) if key == "$ref" => *inner = format!("{PLACE}{PREFIX}{name}").into(),
                    _ => rename_references(inner),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(rename_references),
        _ => {}
    }
}

fn output() -> Value {
    json!({
        "title": "TrainingOutput",
        "type": "object",
        "properties": {
            "version": {"type": "string", "description": "`owner/name:id` of the version that was made"},
            "number": {"type": "integer"},
            "weights": {"type": "string", "format": "uri"},
            "held_back": {"type": ["string", "null"]},
        },
        "required": ["version", "weights"],
    })
}

fn request() -> Value {
    json!({
        "title": "TrainingRequest",
        "type": "object",
        "properties": {
            "input": {"$ref": "#/components/schemas/TrainingInput"},
            "destination": {"type": "string"},
            "promote": {"type": "boolean"},
            "gates": {"type": "array", "items": {"type": "string"}},
            "seed": {"type": "integer"},
            "webhook": {"type": "string", "format": "uri"},
        },
    })
}

fn response() -> Value {
    json!({
        "title": "TrainingResponse",
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "input": {"$ref": "#/components/schemas/TrainingInput"},
            "output": {"anyOf": [{"$ref": "#/components/schemas/TrainingOutput"}, {"type": "null"}]},
            "status": {"type": "string", "enum": ["starting", "processing", "succeeded", "failed", "canceled"]},
            "error": {"type": ["string", "null"]},
            "logs": {"type": "string"},
            "metrics": {"type": "object"},
            "created_at": {"type": "string"},
            "started_at": {"type": ["string", "null"]},
            "completed_at": {"type": ["string", "null"]},
        },
    })
}
