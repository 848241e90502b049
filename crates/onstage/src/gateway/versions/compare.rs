//! `GET …/compare?versions=1,3`: versions side by side; and `GET …/lineage`: what came from what.
//! Does not run anything.

use super::find;
use crate::gateway::{
    call::{self, Call},
    models,
    problem::{Answer, Problem},
    wire::compare,
};
use http::StatusCode;
use onstage_core::model::VersionState;
use serde::Deserialize;

/// More than these are no comparison.
const VERSIONS_MAX: usize = 20;

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    versions: String,
}

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    let query: Query = call.query()?;
    let model = models::get::find(&call, &name).await?;
    let asked: Vec<&str> = query
        .versions
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    if asked.is_empty() || asked.len() > VERSIONS_MAX {
        return Err(Problem::invalid(
            "invalid_query",
            format!("`versions` names 1 to {VERSIONS_MAX} versions, like `versions=1,3`."),
        ));
    }
    let mut versions = Vec::with_capacity(asked.len());
    for text in asked {
        versions.push(find::find(&call, &name, text).await?);
    }
    call::json(StatusCode::OK, &compare::compare(&versions, &model))
}

pub(crate) async fn lineage(call: Call) -> Answer {
    let name = call.model_name()?;
    models::get::find(&call, &name).await?;
    let mut versions = call.state.parts.store.versions(&name).await?;
    versions.retain(|version| !matches!(version.state, VersionState::Deleted));
    call::json(StatusCode::OK, &compare::lineage(&name, &versions))
}
