//! `GET /v2` and its health: the server as a whole.
//! Does not touch models.

use crate::gateway::{
    call::{self, Call},
    installation,
    problem::Answer,
};
use http::StatusCode;
use serde_json::json;

pub(super) async fn metadata(call: Call) -> Answer {
    let body = json!({
        "name": "onstage",
        "version": call.state.settings.version,
        "extensions": ["binary_tensor_data", "classification", "parameters", "statistics"],
    });
    call::json(StatusCode::OK, &body)
}

pub(super) async fn live(_call: Call) -> Answer {
    call::json(StatusCode::OK, &json!({"live": true}))
}

pub(super) async fn ready(call: Call) -> Answer {
    installation::ready(call).await?;
    call::json(StatusCode::OK, &json!({"ready": true}))
}
