//! `GET /openapi.json`: the description of the API, made from the table of routes and the structs of the wire.
//! Does not know handlers.

mod components;
pub(crate) mod model;

use super::{
    call::{self, Call},
    problem::Answer,
    table::{Access, Gives, Route, Takes, routes},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

pub(crate) async fn run(call: Call) -> Answer {
    let mut document = document(&call.state.settings.version);
    let base = call.link("/");
    document["servers"] = json!([{ "url": base }]);
    call::json(StatusCode::OK, &document)
}

pub(crate) fn document(version: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        // A wildcard is no parameter of OpenAPI's.
        let path = route.path.replace("{*", "{");
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_ascii_lowercase()] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Onstage",
            "version": version,
            "description": "Models on stage: realtime predictions, batch jobs, files and feedback.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components::schemas(),
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457)",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
                "InferenceError": {
                    "description": "What went wrong, as the Open Inference Protocol has it",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InferenceError"}}},
                },
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "os_…"},
                "session": {"type": "apiKey", "in": "cookie", "name": "onstage_session"},
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.tag],
        "summary": route.summary,
        "x-onstage-access": match route.access {
            Access::Public => "public",
            Access::Stakeholder => "stakeholder",
            Access::Owner => "owner",
        },
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if route.access == Access::Public {
        operation["security"] = json!([]);
    }
    if let Some(body) = request_body(route.takes) {
        operation["requestBody"] = body;
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let path: Vec<&str> = route
        .path
        .split('/')
        .map(|part| part.trim_matches(['{', '}', '*']))
        .filter(|part| !part.is_empty())
        .collect();
    let method = route.method.as_str().to_ascii_lowercase();
    format!("{method}_{}", path.join("_").replace(['.', '-'], "_"))
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            json!({
                "name": name.trim_start_matches('*'),
                "in": "path",
                "required": true,
                "schema": {"type": "string"},
            })
        });
    let in_query = route.query.iter().map(|(name, about)| {
        json!({"name": name, "in": "query", "description": about, "schema": {"type": "string"}})
    });
    in_path.chain(in_query).collect()
}

fn request_body(takes: Takes) -> Option<Value> {
    let content = match takes {
        Takes::Nothing => return None,
        Takes::Json(name) => json!({"application/json": {"schema": reference(name)}}),
        Takes::JsonOrForm(name) => json!({
            "application/json": {"schema": reference(name)},
            "multipart/form-data": {"schema": {"type": "object"}},
        }),
        Takes::Form(name) => json!({"multipart/form-data": {"schema": reference(name)}}),
        Takes::Bytes(media_type) => json!({ media_type: {} }),
        Takes::BytesOrJson(media_type, name) => json!({
            media_type: {},
            "application/json": {"schema": reference(name)},
        }),
    };
    Some(json!({"required": true, "content": content}))
}

fn responses(route: &Route) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for (status, gives) in &route.answers {
        let content = match gives {
            Gives::Nothing => json!({}),
            Gives::Json(name) => json!({"application/json": {"schema": reference(name)}}),
            Gives::Page(name) => json!({"application/json": {"schema": page_of(name)}}),
            Gives::Media(media_type) => json!({ *media_type: {} }),
        };
        let slot = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": describe(*status), "content": {}}));
        if let (Some(known), Some(more)) = (slot["content"].as_object_mut(), content.as_object()) {
            known.extend(more.clone());
        }
    }
    let guarded: &[u16] = match route.access {
        Access::Public => &[],
        Access::Stakeholder => &[401],
        Access::Owner => &[401, 403],
    };
    let problem = if route.path.starts_with("/v2") {
        json!({"$ref": "#/components/responses/InferenceError"})
    } else {
        json!({"$ref": "#/components/responses/Problem"})
    };
    for status in route.errors.iter().chain(guarded) {
        responses.insert(status.to_string(), problem.clone());
    }
    responses.insert("default".to_owned(), problem);
    Value::Object(responses)
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn page_of(name: &str) -> Value {
    json!({
        "type": "object",
        "required": ["results", "next", "previous"],
        "properties": {
            "results": {"type": "array", "items": reference(name)},
            "next": {"type": ["string", "null"]},
            "previous": {"type": ["string", "null"]},
        },
    })
}

fn describe(status: u16) -> &'static str {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Answer")
}
