//! `POST /v1/uploads`: what is to come, so that it can be refused before it does.
//! Takes no bytes.

use super::show;
use crate::gateway::{
    body::{self, form, too_large},
    call::{Call, set},
    datasets::format,
    problem::{Answer, Problem},
    wire::upload::NewUpload,
};
use http::{StatusCode, header};
use onstage_core::upload::Upload;

pub(crate) async fn run(mut call: Call) -> Answer {
    let wish: NewUpload = body::json(&mut call).await?;
    let settings = &call.state.settings;
    let most = match &wish.dataset {
        Some(_) if !call.is_owner() => {
            return Err(Problem::forbidden(
                "owner_only",
                "Only the owner of this installation may add to datasets.",
            ));
        }
        Some(_) => settings.dataset_bytes_max,
        None => settings.upload_bytes_max,
    };
    if wish.size == 0 {
        return Err(Problem::field("/size", "a number of bytes", "0"));
    }
    if wish.size > most {
        return Err(too_large(most));
    }
    let now = call.state.parts.clock.now();
    let upload = Upload {
        id: call.state.parts.new_id(),
        name: form::plain_name(&wish.name),
        media_type: wish.content_type.unwrap_or_default(),
        size_bytes: wish.size,
        part_bytes: Upload::part_bytes_for(wish.size),
        dataset: wish.dataset.as_deref().map(str::parse).transpose()?,
        format: wish.format.as_deref().map(format).transpose()?,
        by: call.principal()?.id.clone(),
        created_at: now,
        touched_at: now,
        made: None,
    };
    call.state.parts.store.add_upload(upload.clone()).await?;
    let mut response = show(&call, StatusCode::CREATED, &upload, &[])?;
    let path = call.link(&format!("/v1/uploads/{}", upload.id));
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}
