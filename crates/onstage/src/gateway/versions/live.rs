//! Which version answers: `POST …/versions/{version}/promote` and `POST …/rollback`.
//! Does not move traffic; the engine does when it sees the record.

use super::find;
use crate::gateway::{
    body,
    call::Call,
    models,
    problem::{Answer, Problem},
    wire::version::Promotion,
};
use http::StatusCode;
use onstage_core::{
    Error, Kind, Result,
    model::{Model, Version, VersionState},
    training::{Gate, refusals},
};
use std::{collections::BTreeMap, time::Duration};

/// Every call answers within a second; this leaves room for the rest of it.
const SETTLE_MAX: Duration = Duration::from_millis(800);
/// Gates and little else.
const WISH_BYTES_MAX: usize = 64 << 10;
/// Tries against others who change the same model.
const TRIES_MAX: u32 = 5;

pub(crate) async fn promote(mut call: Call) -> Answer {
    let version = find::in_path(&call).await?;
    let bytes = body::read_any(&mut call, WISH_BYTES_MAX).await?;
    let wish = match bytes.is_empty() {
        true => Promotion::default(),
        false => body::parse(&bytes)?,
    };
    check_gates(&version, &wish)?;
    let model = set(&call, &version).await?;
    settle(&call, &version).await;
    models::get::answer(&call, StatusCode::OK, &model).await
}

/// Of a trained version: those of its settings and of the call. Errors: invalid; 409 that names gate and value.
fn check_gates(version: &Version, wish: &Promotion) -> Result<(), Problem> {
    let mut gates: Vec<Gate> = Vec::new();
    for text in &wish.gates {
        gates.push(text.parse()?);
    }
    let asked = !gates.is_empty();
    if version.lineage.is_some() {
        gates.extend(version.config.training.gates.iter().cloned());
    }
    if wish.force || !(asked || version.lineage.is_some()) {
        return Ok(());
    }
    let lineage = version.lineage.as_ref();
    let metrics = lineage.map_or_else(BTreeMap::new, |lineage| lineage.metrics.clone());
    match refusals(&gates, &metrics) {
        None => Ok(()),
        Some(why) => Err(Problem::new(
            StatusCode::CONFLICT,
            "gate_not_reached",
            format!("Version v{} stays as it is: {why}.", version.number),
        )
        .hint("train on, or force it with `force=true`, `onstage promote --force`")),
    }
}

pub(crate) async fn rollback(call: Call) -> Answer {
    let name = call.model_name()?;
    let model = models::get::find(&call, &name).await?;
    let Some(previous) = model.previous.clone() else {
        return Err(Error::conflict(format!("model `{name}` has no version to go back to")).into());
    };
    let version = call
        .state
        .parts
        .store
        .version(&previous)
        .await?
        .ok_or_else(|| Problem::from(Error::conflict(format!("version `{previous}` is gone"))))?;
    let model = set(&call, &version).await?;
    settle(&call, &version).await;
    models::get::answer(&call, StatusCode::OK, &model).await
}

/// Waits a moment for this front to answer with the version, so that whoever asked sees it at the next call.
/// A version whose workers take longer to wake answers a little later; until then the one before does.
async fn settle(call: &Call, version: &Version) {
    let engine = &call.state.engine;
    let mut changed = engine.catalog_changed();
    engine.nudge();
    let answers = async {
        while engine
            .live(&version.model)
            .is_none_or(|live| live.version.id != version.id)
        {
            if changed.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(SETTLE_MAX, answers).await;
}

/// Errors: conflict when the version is not ready.
pub(crate) async fn set(call: &Call, version: &Version) -> Result<Model> {
    if !matches!(version.state, VersionState::Ready { .. }) {
        return Err(Error::conflict(format!(
            "version v{} of `{}` is {}, not ready",
            version.number,
            version.model,
            version.state.name()
        )));
    }
    let store = &call.state.parts.store;
    let mut tries = 0;
    loop {
        let Some(mut model) = store.model(&version.model).await? else {
            return Err(Error::not_found(format!(
                "model `{}` is gone",
                version.model
            )));
        };
        if model.live.as_ref() == Some(&version.id) {
            return Ok(model);
        }
        model.previous = model.live.replace(version.id.clone());
        match store.update_model(model).await {
            Err(error) if error.kind == Kind::Conflict && tries < TRIES_MAX => tries += 1,
            outcome => return outcome,
        }
    }
}
