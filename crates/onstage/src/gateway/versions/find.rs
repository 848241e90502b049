//! Finding a version by what people write: its id, the start of it, `v3` or `3`, or an alias.
//! Does not change anything.

use crate::gateway::{
    call::{Call, shortened},
    problem::Problem,
};
use onstage_core::{
    Error, ModelName,
    alias::{Alias, ID_DIGITS_MIN},
    model::{Version, VersionId, VersionState},
};
use onstage_engine::Loaded;
use std::sync::Arc;

/// The version that is to answer. The live one by its number or id and an alias are known without the store.
pub(crate) async fn loaded(
    call: &Call,
    model: &ModelName,
    text: &str,
) -> Result<Arc<Loaded>, Problem> {
    let engine = &call.state.engine;
    let known = match text.parse::<Alias>() {
        Ok(alias) => engine.aliased(model, &alias),
        Err(_) => engine.live(model).filter(|live| {
            let version = &live.version;
            text.strip_prefix('v').unwrap_or(text) == version.number.to_string()
                || version.id.0 == text
        }),
    };
    match known {
        Some(loaded) => Ok(loaded),
        None => {
            let version = find(call, model, text).await?;
            Ok(engine.loaded(&version.id).await?)
        }
    }
}

/// Errors: 404; 409 when a start fits several.
pub(crate) async fn find(call: &Call, model: &ModelName, text: &str) -> Result<Version, Problem> {
    let store = &call.state.parts.store;
    let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex && text.len() == 64 {
        let id = VersionId(text.to_ascii_lowercase());
        return store
            .version(&id)
            .await?
            .filter(|version| version.model == *model && !is_deleted(version))
            .ok_or_else(|| missing(model, text));
    }
    if let Ok(alias) = text.parse::<Alias>() {
        return by_alias(call, model, &alias).await;
    }
    let number = text.strip_prefix('v').unwrap_or(text).parse::<u32>().ok();
    let versions = store.versions(model).await?;
    let by_number = versions
        .iter()
        .find(|version| text.len() < ID_DIGITS_MIN && Some(version.number) == number);
    if let Some(version) = by_number.filter(|version| !is_deleted(version)) {
        return Ok(version.clone());
    }
    if !is_hex || text.len() < ID_DIGITS_MIN {
        return Err(missing(model, text));
    }
    let mut fitting = versions
        .iter()
        .filter(|version| version.id.0.starts_with(text) && !is_deleted(version));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => {
            Err(Error::conflict(format!("version `{text}` fits several ids")).into())
        }
        _ => Err(missing(model, text)),
    }
}

async fn by_alias(call: &Call, model: &ModelName, alias: &Alias) -> Result<Version, Problem> {
    let store = &call.state.parts.store;
    let record = store.model(model).await?;
    let to = record.and_then(|mut record| record.aliases.remove(alias));
    let version = match &to {
        Some(to) => store.version(&to.version).await?,
        None => None,
    };
    version.ok_or_else(|| {
        missing(model, alias.as_str())
            .hint("`onstage alias MODEL` lists the names that versions have")
    })
}

fn is_deleted(version: &Version) -> bool {
    matches!(version.state, VersionState::Deleted)
}

/// The version in the path.
pub(crate) async fn in_path(call: &Call) -> Result<Version, Problem> {
    let model = call.model_name()?;
    find(call, &model, call.param("version")).await
}

fn missing(model: &ModelName, text: &str) -> Problem {
    Problem::not_found(format!(
        "The model `{model}` has no version `{}`.",
        shortened(text)
    ))
}
