//! `DELETE …/versions/{version}`.
//! Does not delete the live one.

use super::find;
use crate::gateway::{
    call::{self, Call},
    models,
    problem::{Answer, Problem},
};
use http::StatusCode;
use onstage_core::model::VersionState;

pub(crate) async fn run(call: Call) -> Answer {
    let version = find::in_path(&call).await?;
    let model = models::get::find(&call, &version.model).await?;
    if model.live.as_ref() == Some(&version.id) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "version_is_live",
            format!("Version v{} is live and cannot be deleted.", version.number),
        )
        .hint("promote another version first"));
    }
    call.state
        .parts
        .store
        .set_version_state(&version.id, VersionState::Deleted)
        .await?;
    call.state.engine.nudge();
    Ok(call::no_content())
}
