//! `GET /m/{name}/health-check`, in Cog's words.
//! Does not wake the model.

use crate::gateway::{
    call::{self, Call},
    models,
    problem::Answer,
};
use http::StatusCode;

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    models::get::find(&call, &name).await?;
    let readiness = call.state.engine.readiness(&name);
    let status = match readiness.state {
        // One that is asleep answers too; it only takes longer.
        "ready" | "asleep" => "READY",
        "starting" => "STARTING",
        "failed" => "SETUP_FAILED",
        _ => "DEFUNCT",
    };
    let body = serde_json::json!({
        "status": status,
        "workers": readiness.workers,
        "text": readiness.text,
    });
    call::json(StatusCode::OK, &body)
}
