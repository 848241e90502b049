//! `POST …/warmup`: a worker is started before somebody waits for it.
//! Does not wait for it.

use crate::gateway::{
    call::{self, Call},
    predictions,
    problem::Answer,
    wire::model::Warmup,
};
use http::StatusCode;

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    let loaded = predictions::live(&call, &name).await?;
    call.state.engine.warm(&loaded.version.id);
    let warmup = Warmup {
        readiness: call.state.engine.readiness(&name).into(),
    };
    call::json(StatusCode::ACCEPTED, &warmup)
}
