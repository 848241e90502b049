//! The description of one model: its `Input` and `Output` in the shape that Cog's document has.
//! Does not know the rest of the API.

mod training;

use crate::gateway::{
    call::{self, Call},
    predictions,
    problem::Answer,
};
use http::StatusCode;
use onstage_core::model::Version;
use serde_json::{Map, Value, json};

/// `GET /m/{name}/openapi.json`.
pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    let loaded = predictions::live(&call, &name).await?;
    let mut document = of_version(&loaded.version);
    document["servers"] = json!([{ "url": call.link(&format!("/m/{name}")) }]);
    call::json(StatusCode::OK, &document)
}

/// Empty of schemas while the version is not ready.
pub(crate) fn of_version(version: &Version) -> Value {
    let schema = version.schema();
    let title = schema.map_or("", |schema| schema.title.as_str());
    let mut schemas: Map<String, Value> = schema
        .map(|schema| schema.components.schemas.clone())
        .unwrap_or_default();
    if schema.is_some() {
        schemas
            .entry("Output")
            .or_insert_with(|| json!({"title": "Output"}));
        schemas.insert("PredictionRequest".to_owned(), request());
        schemas.insert("PredictionResponse".to_owned(), response());
    }
    if let Some(training) = schema.and_then(|schema| schema.training.as_ref()) {
        schemas.extend(training::schemas(training));
    }
    let title = if title.is_empty() {
        version.model.to_string()
    } else {
        title.to_owned()
    };
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": format!("v{}", version.number)},
        "paths": match schema {
            Some(schema) => paths(schema.training.is_some()),
            None => json!({}),
        },
        "components": {"schemas": schemas},
    })
}

fn paths(trains: bool) -> Value {
    let reference =
        |name: &str| json!({"schema": {"$ref": format!("#/components/schemas/{name}")}});
    let mut paths = json!({
        "/predictions": {"post": {
            "operationId": "predict",
            "summary": "Predict",
            "requestBody": {"required": true, "content": {"application/json": reference("PredictionRequest")}},
            "responses": {"200": {
                "description": "OK",
                "content": {"application/json": reference("PredictionResponse")},
            }},
        }},
        "/health-check": {"get": {
            "operationId": "healthcheck",
            "summary": "Healthcheck",
            "responses": {"200": {"description": "OK"}},
        }},
    });
    if trains {
        paths["/trainings"] = json!({"post": {
            "operationId": "train",
            "summary": "Train",
            "requestBody": {"required": true, "content": {"application/json": reference("TrainingRequest")}},
            "responses": {"201": {
                "description": "Created",
                "content": {"application/json": reference("TrainingResponse")},
            }},
        }});
    }
    paths
}

fn request() -> Value {
    json!({
        "title": "PredictionRequest",
        "type": "object",
        "properties": {"input": {"$ref": "#/components/schemas/Input"}},
    })
}

fn response() -> Value {
    json!({
        "title": "PredictionResponse",
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "input": {"$ref": "#/components/schemas/Input"},
            "output": {"$ref": "#/components/schemas/Output"},
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
