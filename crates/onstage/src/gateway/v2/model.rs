//! A model's metadata and readiness; and which version a path means.
//! Does not wake the model.

use super::signature;
use crate::gateway::{
    call::{self, Call},
    models, predictions,
    problem::{Answer, Problem},
    versions,
};
use http::StatusCode;
use onstage_core::model::VersionState;
use onstage_engine::Loaded;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The version that the path names, else the live one. Errors: 404; 409 when there is none that is ready.
pub(super) async fn loaded(call: &Call) -> Result<Arc<Loaded>, Problem> {
    let name = call.model_name()?;
    let wanted = call.param("version");
    if wanted.is_empty() {
        return predictions::live(call, &name).await;
    }
    versions::find::loaded(call, &name, wanted).await
}

pub(super) async fn metadata(call: Call) -> Answer {
    let loaded = loaded(&call).await?;
    let versions = call.state.parts.store.versions(&loaded.model).await?;
    let mut numbers: Vec<u32> = versions
        .iter()
        .filter(|version| matches!(version.state, VersionState::Ready { .. }))
        .map(|version| version.number)
        .collect();
    numbers.sort_unstable();
    let inputs = signature::inputs(&loaded.schema);
    let outputs = signature::outputs(&loaded.schema).slots();
    let described = |slots: Vec<signature::Slot>| -> Vec<Json> {
        slots.iter().map(signature::Slot::described).collect()
    };
    let body = json!({
        "name": loaded.model.name(),
        "versions": numbers.iter().map(u32::to_string).collect::<Vec<_>>(),
        "platform": "onstage",
        "inputs": described(inputs),
        "outputs": described(outputs),
    });
    call::json(StatusCode::OK, &body)
}

/// A model that is asleep answers too; it only takes longer.
pub(super) async fn ready(call: Call) -> Answer {
    let name = call.model_name()?;
    let is_ready = if call.param("version").is_empty() {
        models::get::find(&call, &name).await?;
        matches!(
            call.state.engine.readiness(&name).state,
            "ready" | "asleep" | "starting"
        )
    } else {
        let version = versions::find::in_path(&call).await?;
        matches!(version.state, VersionState::Ready { .. })
    };
    if !is_ready {
        return Err(Problem::invalid(
            "not_ready",
            format!("The model `{name}` would not answer now."),
        ));
    }
    call::json(StatusCode::OK, &json!({"name": name.name(), "ready": true}))
}
