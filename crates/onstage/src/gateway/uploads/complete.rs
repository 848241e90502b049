//! `POST /v1/uploads/{id}/complete`: the parts become a file or a dataset's version; asked again, the answer is the same.
//! Waits for a large one no longer than for a prediction.

use super::{
    assemble::{Whole, assemble},
    find, forget_parts, show,
};
use crate::gateway::{
    call::{self, Call, set},
    datasets::{self, Coming},
    files,
    problem::{Answer, Problem, whole_seconds},
    wire,
};
use axum::response::Response;
use http::{StatusCode, header};
use onstage_core::{
    Error, Id, Kind,
    dataset::{DatasetName, DatasetSource},
    file::File,
    upload::{Made, Upload},
};
use std::time::Duration;

const ASK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(call: Call) -> Answer {
    let (upload, parts) = find(&call).await?;
    if let Some(made) = &upload.made {
        return again(&call, made).await;
    }
    let parts = upload.whole(parts)?;
    let wait = call.state.settings.wait_default;
    let assembling = assemble(&call.state, &upload, parts.clone(), upload.whole_key());
    let Ok(outcome) = tokio::time::timeout(wait, assembling).await else {
        let mut response = show(&call, StatusCode::ACCEPTED, &upload, &parts)?;
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, whole_seconds(ASK_AGAIN));
        return Ok(response);
    };
    let made = match outcome {
        Ok(whole) => make(&call, &upload, whole).await,
        Err(error) => Err(Problem::from(Error::new(error.kind, error.message.clone()))),
    };
    call.state.assemblies.done(&upload.id);
    made
}

async fn make(call: &Call, upload: &Upload, whole: Whole) -> Answer {
    let (made, response) = match &upload.dataset {
        Some(dataset) => version(call, upload, dataset, whole).await?,
        None => file(call, upload, whole).await?,
    };
    let store = &call.state.parts.store;
    match store.complete_upload(&upload.id, made).await {
        Ok(()) => forget_parts(call, &upload.id).await,
        // What it became is there; the parts go with the upload in a day.
        Err(error) => tracing::warn!(upload = %upload.id, %error, "an upload's parts stay"),
    }
    Ok(response)
}

async fn version(
    call: &Call,
    upload: &Upload,
    dataset: &DatasetName,
    whole: Whole,
) -> Result<(Made, Response), Problem> {
    let coming = Coming {
        dataset: dataset.clone(),
        file_name: Some(upload.name.clone()),
        media_type: upload.media_type.clone(),
        format: upload.format,
        source: DatasetSource::Upload,
    };
    let (version, new) = datasets::add(call, coming, whole.blob, &whole.head).await?;
    let response = datasets::answer(call, &version, new)?;
    Ok((Made::Dataset(version.reference()), response))
}

async fn file(call: &Call, upload: &Upload, whole: Whole) -> Result<(Made, Response), Problem> {
    let media_type = match upload.media_type.as_str() {
        "" => "application/octet-stream",
        said => said,
    };
    let file = File {
        id: upload.id.clone(),
        name: upload.name.clone(),
        media_type: media_type.to_owned(),
        blob: whole.blob,
        metadata: "{}".to_owned(),
        by: upload.by.clone(),
        created_at: call.state.parts.clock.now(),
    };
    match call.state.parts.store.add_file(file).await {
        // An earlier call was cut off after this.
        Err(error) if error.kind == Kind::Conflict => {}
        outcome => outcome?,
    }
    let response = of_file(call, StatusCode::CREATED, &upload.id).await?;
    Ok((Made::File(upload.id.clone()), response))
}

async fn of_file(call: &Call, status: StatusCode, id: &Id) -> Answer {
    let file = files::find(call, id).await?;
    let mut response = call::json(status, &wire::file::show(call, &file))?;
    let path = call.link(&format!("/v1/files/{id}"));
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}

async fn again(call: &Call, made: &Made) -> Answer {
    match made {
        Made::Dataset(which) => {
            let version = datasets::find(call, which).await?;
            datasets::answer(call, &version, false)
        }
        Made::File(id) => of_file(call, StatusCode::OK, id).await,
    }
}
