//! `POST /v1/models`: a name for what will be pushed.
//! Does not push.

use super::get;
use crate::gateway::{
    body,
    call::{Call, set},
    problem::Answer,
    wire::model::NewModel,
};
use http::{StatusCode, header};
use onstage_core::{Error, ModelName, model::Model};

pub(crate) async fn run(mut call: Call) -> Answer {
    let new: NewModel = body::json(&mut call).await?;
    let owner = new
        .owner
        .as_deref()
        .unwrap_or(&call.state.settings.default_owner);
    let name = ModelName::new(owner, &new.name)?;
    let store = &call.state.parts.store;
    if store.model(&name).await?.is_some() {
        return Err(Error::conflict(format!("model `{name}` is there already")).into());
    }
    let model = store
        .ensure_model(Model {
            title: new.title.unwrap_or_default(),
            about: new.about.or(new.description).unwrap_or_default(),
            ..Model::new(name, call.state.parts.clock.now())
        })
        .await?;
    let mut response = get::answer(&call, StatusCode::CREATED, &model).await?;
    let path = call.link(&format!("/v1/models/{}", model.name));
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}
