//! `PATCH /v1/models/{owner}/{name}`: title and description.
//! Does not change which version is live.

use super::get;
use crate::gateway::{body, call::Call, problem::Answer, wire::model::ModelChange};
use http::StatusCode;

pub(crate) async fn run(mut call: Call) -> Answer {
    let name = call.model_name()?;
    let change: ModelChange = body::json(&mut call).await?;
    let mut model = get::find(&call, &name).await?;
    if let Some(title) = change.title {
        model.title = title;
    }
    if let Some(about) = change.about.or(change.description) {
        model.about = about;
    }
    let model = call.state.parts.store.update_model(model).await?;
    call.state.engine.nudge();
    get::answer(&call, StatusCode::OK, &model).await
}
