//! `POST /v1/files`: streamed into a blob; the record last.
//! Does not look inside.

use crate::gateway::{
    body::{form, upload},
    call::{self, Call, set},
    problem::{Answer, Problem},
    wire,
};
use axum::extract::Multipart;
use http::{StatusCode, header};
use onstage_core::{file::File, value::BlobRef};

/// The uploader's own notes.
const METADATA_BYTES_MAX: usize = 16 * 1024;

pub(crate) async fn run(mut call: Call) -> Answer {
    let limit = call.state.settings.upload_bytes_max;
    let mut multipart = form::open(&mut call, limit).await?;
    let id = call.state.parts.new_id();
    let key = format!("files/{id}");
    let read = read(&mut call, &mut multipart, &key).await;
    let (content, metadata) = match read {
        Ok(read) => read,
        Err(problem) => {
            // A part after the file was wrong; the file is not to stay without a record.
            if let Err(error) = call.state.parts.blobs.delete(&key).await {
                tracing::warn!(key, %error, "the blob of a refused upload stays");
            }
            return Err(problem);
        }
    };
    let file = File {
        id,
        name: content.name,
        media_type: content.media_type,
        blob: content.blob,
        metadata,
        by: call.principal()?.id.clone(),
        created_at: call.state.parts.clock.now(),
    };
    call.state.parts.store.add_file(file.clone()).await?;
    let mut response = call::json(StatusCode::CREATED, &wire::file::show(&call, &file))?;
    let path = call.link(&format!("/v1/files/{}", file.id));
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}

struct Content {
    blob: BlobRef,
    name: String,
    media_type: String,
}

/// The file, streamed into its blob, and the uploader's notes.
async fn read(
    call: &mut Call,
    multipart: &mut Multipart,
    key: &str,
) -> Result<(Content, String), Problem> {
    let mut content: Option<Content> = None;
    let mut metadata = "{}".to_owned();
    while let Some(field) = form::next(multipart).await? {
        match form::field_name(&field)?.as_str() {
            "content" if content.is_none() => {
                let (name, media_type) = form::described(&field);
                content = Some(Content {
                    blob: upload::field_to_blob(call, field, key).await?,
                    name: name.unwrap_or_else(|| "file".to_owned()),
                    media_type: media_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
                });
            }
            "metadata" => metadata = checked(form::read_text(call, field).await?)?,
            "filename" => {
                let name = form::plain_name(&form::read_text(call, field).await?);
                if let Some(content) = &mut content {
                    content.name = name;
                }
            }
            _ => {}
        }
    }
    content
        .map(|content| (content, metadata))
        .ok_or_else(|| Problem::field("/content", "a part of the form with a file", "missing"))
}

fn checked(metadata: String) -> Result<String, Problem> {
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&metadata);
    match is_object {
        Ok(_) if metadata.len() <= METADATA_BYTES_MAX => Ok(metadata),
        _ => Err(Problem::field(
            "/metadata",
            "a JSON object of 16 KiB at most",
            "something else",
        )),
    }
}
