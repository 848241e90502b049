//! `POST /v1/predictions`: one version answers, named by its id or as `owner/name@alias`, or a model by its name.
//! Does not start anything itself.

use super::by_model::{self, Body, input_of, of_json};
use crate::gateway::{
    body,
    call::{Call, shortened},
    problem::{Answer, Problem},
    versions,
};
use onstage_core::{ModelName, model::VersionId};
use onstage_engine::Loaded;
use std::sync::Arc;

pub(crate) async fn run(mut call: Call) -> Answer {
    let bytes = body::read_json(&mut call).await?;
    let parsed: Body<'_> = body::parse(&bytes)?;
    let loaded = named(&call, &parsed).await?;
    let extras = parsed.extras(&call)?;
    let json = input_of(&bytes, parsed.input);
    of_json(&call, loaded, &bytes, json, extras).await
}

/// `version` may be a bare id, `owner/name:id`, `owner/name` or `owner/name@alias`; `model` is `owner/name`. Where a version's id fits, so does its
/// number or an alias.
pub(crate) async fn named(call: &Call, body: &Body<'_>) -> Result<Arc<Loaded>, Problem> {
    let Some(text) = body.version.as_deref().or(body.model.as_deref()) else {
        return Err(Problem::field(
            "/version",
            "the id of a version, or `owner/name`",
            "missing",
        ));
    };
    let (model, id) = match text.rsplit_once([':', '@']) {
        Some((model, id)) => (Some(model), Some(id)),
        None if text.contains('/') => (Some(text), None),
        None => (None, Some(text)),
    };
    let unknown = || Problem::not_found(format!("There is no version `{}`.", shortened(text)));
    let name = match model {
        Some(model) => Some(model.parse::<ModelName>().map_err(|_| unknown())?),
        None => None,
    };
    let loaded = match (id, &name) {
        (Some(id), None) if is_whole_id(id) => {
            call.state.engine.loaded(&VersionId(id.to_owned())).await?
        }
        (Some(id), Some(name)) => versions::find::loaded(call, name, id).await?,
        (None, Some(name)) => by_model::live(call, name).await?,
        _ => return Err(unknown()),
    };
    match name {
        Some(name) if loaded.model != name => Err(unknown()),
        _ => Ok(loaded),
    }
}

fn is_whole_id(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}
