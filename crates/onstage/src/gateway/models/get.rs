//! `GET /v1/models/{owner}/{name}`, and what every answer about a model is made of.
//! Does not change anything.

use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
    wire::model::{Around, Model, Money, show},
};
use http::StatusCode;
use onstage_core::{
    ModelName,
    model::{self, VersionId, VersionState},
};
use onstage_engine::Readiness;

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    let model = find(&call, &name).await?;
    answer(&call, StatusCode::OK, &model).await
}

/// Errors: 404.
pub(crate) async fn find(call: &Call, name: &ModelName) -> Result<model::Model, Problem> {
    call.state
        .parts
        .store
        .model(name)
        .await?
        .ok_or_else(|| Problem::not_found(format!("There is no model `{name}`.")))
}

pub(crate) async fn answer(call: &Call, status: StatusCode, model: &model::Model) -> Answer {
    let money = match &model.live {
        Some(live) if call.is_owner() => money(call, &model.name, live).await?,
        _ => None,
    };
    let shown = shown(call, model).await?;
    call::json(status, &Model { money, ..shown })
}

async fn money(call: &Call, name: &ModelName, live: &VersionId) -> Result<Option<Money>, Problem> {
    let version = call.state.parts.store.version(live).await?;
    let spent = call.state.engine.spent(name).await?;
    Ok(version.map(|version| Money::of(name, &version.config.money, spent)))
}

pub(crate) async fn shown(call: &Call, model: &model::Model) -> Result<Model, Problem> {
    let store = &call.state.parts.store;
    let live = match &model.live {
        Some(id) => store.version(id).await?,
        None => None,
    };
    let around = Around {
        live,
        run_count: store.run_count(&model.name).await?,
        readiness: readiness(call, model).await?,
    };
    Ok(show(call, model, around))
}

/// A model that no version answers for yet is told apart by what became of its newest one.
async fn readiness(call: &Call, model: &model::Model) -> Result<Readiness, Problem> {
    let readiness = call.state.engine.readiness(&model.name);
    if model.live.is_some() {
        return Ok(readiness);
    }
    let versions = call.state.parts.store.versions(&model.name).await?;
    let newest = versions.into_iter().max_by_key(|version| version.number);
    Ok(
        match newest.map(|version| (version.number, version.state)) {
            Some((number, VersionState::Failed { error })) => Readiness {
                state: "failed",
                text: format!("v{number} could not be built: {}", error.message),
                ..readiness
            },
            Some((number, VersionState::Building { .. })) => Readiness {
                text: format!("v{number} is being built"),
                ..readiness
            },
            _ => readiness,
        },
    )
}
