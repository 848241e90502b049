//! `GET …/versions/{version}`.
//! Does not change anything.

use super::{find, logs};
use crate::gateway::{
    call::{self, Call},
    models,
    problem::{Answer, Problem},
    wire::version,
};
use http::StatusCode;
use onstage_core::model::Version;

pub(crate) async fn run(call: Call) -> Answer {
    let found = find::in_path(&call).await?;
    answer(&call, StatusCode::OK, &found).await
}

pub(crate) async fn answer(call: &Call, status: StatusCode, found: &Version) -> Answer {
    let shown = shown(call, found).await?;
    call::json(status, &shown)
}

async fn shown(call: &Call, found: &Version) -> Result<version::Version, Problem> {
    let model = models::get::find(call, &found.model).await?;
    let logs = if call.is_owner() {
        logs::read(call, &found.id).await?
    } else {
        String::new()
    };
    Ok(version::show(call, found, &model, Some(&logs)))
}
