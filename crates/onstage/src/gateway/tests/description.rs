//! The description of the API: every route is in it, every reference leads somewhere, and it says what is sent.

use super::world::World;
use crate::gateway::{openapi, table::routes};
use serde_json::Value;
use std::collections::BTreeSet;

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = openapi::document("1");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

#[test]
fn every_route_is_described_once() {
    let document = openapi::document("1");
    let mut ids = BTreeSet::new();
    for route in routes() {
        let path = route.path.replace("{*", "{");
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = &document["paths"][&path][&method];
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{method} {path}"
        );
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{operation}"
        );
        assert!(
            operation["responses"].as_object().unwrap().len() > 1,
            "{method} {path}"
        );
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = part.trim_end_matches('}');
            let listed = operation["parameters"].as_array().unwrap().iter();
            assert!(
                listed.clone().any(|parameter| parameter["name"] == name),
                "{path}: {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_what_is_described() {
    let world = World::new().await;
    let code =
        "import onstage as on\n\n@on.predict\ndef double(n: int) -> int:\n    return n * 2\n";
    world.live("lab/double", code).await;
    let created = world
        .post("/v1/models/lab/double/predictions")
        .json(&serde_json::json!({"input": {"n": 2}}));
    let prediction = created.send().await.is(201).json();
    let model = world
        .get("/v1/models/lab/double")
        .send()
        .await
        .is(200)
        .json();
    let account = world.get("/v1/account").send().await.is(200).json();
    let document = world.get("/openapi.json").send().await.is(200).json();
    let samples = [
        ("Prediction", prediction),
        ("Version", model["latest_version"].clone()),
        ("Model", model),
        ("Account", account),
    ];
    for (name, sample) in samples {
        let schema = serde_json::json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": document["components"],
        });
        let check = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = check
            .iter_errors(&sample)
            .map(|e| format!("{} {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let known = document["components"]["schemas"][name]["properties"]
            .as_object()
            .unwrap();
        for key in sample.as_object().unwrap().keys() {
            assert!(
                known.contains_key(key),
                "{name} sends `{key}`, which is not described"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_trains_says_what_its_training_takes_and_gives() {
    let world = World::new().await;
    let code = "
import dataclasses
import onstage as on

@dataclasses.dataclass
class Zone:
    north: int

@on.predict
def f(zone: Zone) -> int:
    return 1

@dataclasses.dataclass
class Zone:
    east: int

@on.train
def fit(data: on.Dataset, zone: Zone, epochs: int = on.Input(default=3, ge=1)) -> str:
    return 'w'
";
    world.live("lab/fish", code).await;
    let model = world.get("/v1/models/lab/fish").send().await.is(200).json();
    let document = &model["latest_version"]["openapi_schema"];
    let schemas = &document["components"]["schemas"];
    let input = &schemas["TrainingInput"];
    assert_eq!(input["title"], "TrainingInput");
    assert_eq!(input["required"], serde_json::json!(["data", "zone"]));
    assert_eq!(input["properties"]["epochs"]["minimum"], 1);
    assert_eq!(schemas["TrainingOutput"]["required"][0], "version");
    assert!(document["paths"]["/trainings"]["post"].is_object());
    let mut found = BTreeSet::new();
    references(document, &mut found);
    for reference in &found {
        let there = document.pointer(reference.trim_start_matches('#'));
        assert!(there.is_some(), "{reference} leads nowhere: {document:#}");
    }
    let check = serde_json::json!({
        "$ref": "#/components/schemas/TrainingInput",
        "components": document["components"],
    });
    let check = jsonschema::validator_for(&check).unwrap();
    let fits = |zone| check.is_valid(&serde_json::json!({"data": "fish@v1", "zone": zone}));
    assert!(fits(serde_json::json!({"east": 1})), "{schemas:#}");
    assert!(!fits(serde_json::json!({"north": 1})), "{schemas:#}");
}
