//! Uploads in parts, for files whose upload would not survive a cut: begun, sent part by part, completed.
//! Does not know what becomes of datasets and files.

mod assemble;
mod begin;
mod complete;
mod link;
mod part;

pub(crate) use assemble::Assemblies;

use super::{
    call::{self, Call},
    predictions::find::own,
    problem::{Answer, Problem},
    table::{
        Gives::{Json, Nothing},
        Route, Takes, route,
    },
    wire,
};
use http::StatusCode;
use onstage_core::{
    Id,
    upload::{Upload, UploadPart},
};
use onstage_engine::reaper::{clear_parts, clear_whole};

const ONE: &str = "/v1/uploads/{id}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(POST "/v1/uploads", Stakeholder, "Begins an upload in parts of a file, or by the owner of a dataset's version", begin::run)
            .takes(Takes::Json("NewUpload"))
            .gives(201, Json("Upload"))
            .errors(&[400, 413, 415, 422]),
        route!(GET ONE, Stakeholder, "An upload of one's own and which of its parts came", get)
            .gives(200, Json("Upload"))
            .errors(&[404]),
        route!(PUT "/v1/uploads/{id}/parts/{part}", Stakeholder, "Sends a part, numbered from 1; again is fine", part::run)
            .query(&[("sha256", "the part's SHA-256 in hex: a part that came differently is refused")])
            .takes(Takes::Bytes("application/octet-stream"))
            .gives(200, Json("UploadPart"))
            .errors(&[400, 404, 409, 413, 415, 422, 507]),
        route!(POST "/v1/uploads/{id}/parts/{part}/link", Stakeholder, "Where to send a part past this server, when the upload is `direct`", link::give)
            .query(&[("sha256", "the part's SHA-256 in hex")])
            .gives(200, Json("PartLink"))
            .errors(&[404, 409, 422]),
        route!(POST "/v1/uploads/{id}/parts/{part}", Stakeholder, "Says that a part was sent by its link", link::note)
            .query(&[("sha256", "the part's SHA-256 in hex")])
            .gives(200, Json("UploadPart"))
            .errors(&[404, 409, 422]),
        route!(POST "/v1/uploads/{id}/complete", Stakeholder, "Puts the parts together; to be asked again after a 202", complete::run)
            .gives(201, Json("Anything"))
            .gives(200, Json("Anything"))
            .gives(202, Json("Upload"))
            .errors(&[404, 409, 507]),
        route!(DELETE ONE, Stakeholder, "Forgets an upload of one's own", delete)
            .gives(204, Nothing)
            .errors(&[404]),
    ]
}

async fn get(call: Call) -> Answer {
    let (upload, parts) = find(&call).await?;
    show(&call, StatusCode::OK, &upload, &parts)
}

/// What it has become stays.
async fn delete(call: Call) -> Answer {
    let (upload, _) = find(&call).await?;
    call.state.parts.store.remove_upload(&upload.id).await?;
    forget_parts(&call, &upload.id).await;
    call.state.assemblies.end(&upload.id).await;
    let cleared = clear_whole(&call.state.parts, &upload).await;
    if let Err(error) = cleared {
        tracing::warn!(upload = %upload.id, %error, "what an upload was put together to stays");
    }
    Ok(call::no_content())
}

/// The upload in the path, which must be one's own.
async fn find(call: &Call) -> Result<(Upload, Vec<UploadPart>), Problem> {
    let id = call.id()?;
    let found = call.state.parts.store.upload(&id).await?;
    let found = found.ok_or_else(|| {
        Problem::not_found(format!("There is no upload `{id}`."))
            .hint("one to which nothing came for a day is forgotten; begin another")
    })?;
    own(call, &found.0.by)?;
    Ok(found)
}

fn show(call: &Call, status: StatusCode, upload: &Upload, parts: &[UploadPart]) -> Answer {
    let done_bytes = call.state.assemblies.done_bytes(&upload.id);
    call::json(status, &wire::upload::show(call, upload, parts, done_bytes))
}

/// Removes a blob of a part that nobody refers to.
async fn forget(call: &Call, key: &str) {
    if let Err(error) = call.state.parts.blobs.delete(key).await {
        tracing::warn!(key, %error, "the blob of no part stays");
    }
}

/// Removes all parts of an upload, also those that a front that died had not noted.
async fn forget_parts(call: &Call, id: &Id) {
    let cleared = clear_parts(&*call.state.parts.blobs, id).await;
    if let Err(error) = cleared {
        tracing::warn!(upload = %id, %error, "parts of an upload stay");
    }
}
