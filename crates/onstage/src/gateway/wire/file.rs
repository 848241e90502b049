//! An uploaded file as the wire has it, in the shape that stock clients read.
//! Does not fetch.

use super::time;
use crate::gateway::call::Call;
use onstage_core::file;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct File {
    id: String,
    name: String,
    content_type: String,
    size: u64,
    etag: String,
    checksums: BTreeMap<&'static str, String>,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    created_at: String,
    expires_at: Option<String>,
    urls: BTreeMap<&'static str, String>,
}

pub(crate) fn show(call: &Call, file: &file::File) -> File {
    let base = call.url(&format!("/v1/files/{}", file.id));
    File {
        id: file.id.to_string(),
        name: file.name.clone(),
        content_type: file.media_type.clone(),
        size: file.blob.size_bytes,
        etag: file.blob.sha256.clone(),
        checksums: BTreeMap::from([("sha256", file.blob.sha256.clone())]),
        metadata: super::value::raw(file.metadata.as_bytes()).to_owned(),
        created_at: time(file.created_at),
        expires_at: None,
        urls: BTreeMap::from([("content", format!("{base}/content")), ("get", base)]),
    }
}
