//! `POST …/versions`: a model folder comes in, or a template with a config; the builder takes it from there.
//! Does not read archives; the `Bundles` port does.

use super::get;
use crate::gateway::{
    PushedBundle,
    body::{self, upload},
    call::{Call, set},
    problem::{Answer, Problem},
    templates,
};
use http::{StatusCode, header};
use onstage_core::{
    Error,
    model::{Model, NewVersion, Version, VersionState},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    promote: Option<String>,
}

pub(crate) async fn run(mut call: Call) -> Answer {
    let name = call.model_name()?;
    let query: Query = call.query()?;
    let promote = !matches!(query.promote.as_deref(), Some("false" | "0" | "no"));
    let pushed = match body::media_type(&call.headers).as_str() {
        "application/json" => templates::make(&mut call, &name).await?,
        _ => of_archive(&mut call).await?,
    };
    let parts = &call.state.parts;
    let now = parts.clock.now();
    let section = &pushed.config.model;
    let model = parts
        .store
        .ensure_model(Model {
            title: section.title.clone().unwrap_or_default(),
            about: section.about.clone().unwrap_or_default(),
            ..Model::new(name.clone(), now)
        })
        .await?;
    let (title, about) = (section.title.clone(), section.about.clone());
    let (version, new) = parts
        .store
        .add_version(NewVersion {
            id: pushed.version_id(&name),
            model: name,
            bundle: pushed.bundle,
            config: pushed.config,
            examples: pushed.examples,
            promote_when_ready: promote,
            created_at: now,
            weights: None,
            lineage: None,
        })
        .await?;
    describe(&call, model, title, about).await;
    if !new && promote {
        promote_again(&call, &version).await?;
    }
    call.state.engine.nudge();
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = get::answer(&call, status, &version).await?;
    let path = format!("/v1/models/{}/versions/{}", version.model, version.id);
    set(&mut response, header::LOCATION, &call.link(&path));
    Ok(response)
}

async fn of_archive(call: &mut Call) -> Result<PushedBundle, Problem> {
    require_gzip(call)?;
    let folder = call.state.settings.tempdir.clone();
    let file = tempfile::Builder::new()
        .prefix("push-")
        .tempfile_in(&folder)
        .map_err(upload::unwritable)?
        .into_temp_path();
    let limit = call.state.settings.bundle_bytes_max;
    upload::body_to_file(call, &file, limit).await?;
    Ok(call.state.bundles.receive(&file).await?)
}

fn require_gzip(call: &Call) -> Result<(), Problem> {
    match body::media_type(&call.headers).as_str() {
        "application/gzip" | "application/x-gzip" | "application/octet-stream" => Ok(()),
        _ => Err(body::unsupported(
            "The body must be a gzip'd tar of the model folder, or JSON that names a template.",
            "send the header `content-type: application/gzip` or `application/json`, or use `onstage push`",
        )),
    }
}

/// The pushed folder says what the model is called for people. Losing a race for this is no failure of the push.
async fn describe(call: &Call, mut model: Model, title: Option<String>, about: Option<String>) {
    let title = title.unwrap_or_else(|| model.title.clone());
    let about = about.unwrap_or_else(|| model.about.clone());
    if title == model.title && about == model.about {
        return;
    }
    (model.title, model.about) = (title, about);
    if let Err(error) = call.state.parts.store.update_model(model).await {
        tracing::info!(%error, "a model's title was changed by somebody else meanwhile");
    }
}

/// Pushing what is there already makes it live again.
async fn promote_again(call: &Call, version: &Version) -> Result<(), Error> {
    if !matches!(version.state, VersionState::Ready { .. }) {
        return Ok(());
    }
    super::live::set(call, version).await.map(|_| ())
}
