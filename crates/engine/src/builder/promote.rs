//! How a version that became ready is made live: one record change, by compare-and-set.
//! Does not move traffic; the catalog's watcher sees the record.

use crate::parts::Parts;
use onstage_core::{
    Error, Kind, Result,
    model::{Model, Version, VersionState},
};

/// Others who change the model's record at the same time.
const TRIES_MAX: u32 = 20;

/// Makes the version live, unless a newer one is already.
pub(super) async fn promote(parts: &Parts, version: &Version) -> Result<()> {
    for _ in 0..TRIES_MAX {
        let Some(model) = parts.store.model(&version.model).await? else {
            return Err(Error::not_found(format!(
                "there is no model `{}`",
                version.model
            )));
        };
        let Some(promoted) = promoted(parts, model, version).await? else {
            return Ok(());
        };
        match parts.store.update_model(promoted).await {
            Err(error) if error.kind == Kind::Conflict => {}
            written => return written.map(drop),
        }
    }
    Err(Error::busy(format!(
        "model `{}` changes too often for a version to go live",
        version.model
    )))
}

async fn promoted(parts: &Parts, mut model: Model, version: &Version) -> Result<Option<Model>> {
    if model.live.as_ref() == Some(&version.id) {
        return Ok(None);
    }
    // The store would refuse one that was deleted meanwhile, at every try.
    let now = parts.store.version(&version.id).await?;
    if !now.is_some_and(|now| matches!(now.state, VersionState::Ready { .. })) {
        return Ok(None);
    }
    if let Some(live) = &model.live
        && let Some(live) = parts.store.version(live).await?
        && live.number > version.number
    {
        return Ok(None);
    }
    model.previous = model.live.replace(version.id.clone());
    let config = &version.config.model;
    if let Some(title) = &config.title {
        model.title.clone_from(title);
    }
    if let Some(about) = &config.about {
        model.about.clone_from(about);
    }
    Ok(Some(model))
}
