//! An upload in parts as the wire has it.
//! Does not fetch.

use super::time;
use crate::gateway::call::Call;
use onstage_core::{
    Timestamp,
    ports::PutLink,
    upload::{self, UPLOAD_KEPT_MS},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use utoipa::ToSchema;

/// What begins one.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewUpload {
    /// The file's name.
    pub(crate) name: String,
    /// The whole file's size in bytes.
    pub(crate) size: u64,
    pub(crate) content_type: Option<String>,
    /// Add it as a version to this dataset; without, it becomes a file.
    pub(crate) dataset: Option<String>,
    /// Of the dataset: `csv`, `jsonl`, `parquet`, `arrow`, `zip`, `tar` or `other`; else told by name, type and first bytes.
    pub(crate) format: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Upload {
    id: String,
    name: String,
    size: u64,
    /// Of every part but the last.
    part_size: u64,
    part_count: u32,
    /// Those that came.
    parts: Vec<UploadPart>,
    dataset: Option<String>,
    /// Bytes put together, while somebody is at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    assembled: Option<u64>,
    complete: bool,
    /// Whether parts may be sent to the storage by links, past this server.
    direct: bool,
    created_at: String,
    /// When it is forgotten unless something comes.
    expires_at: String,
    urls: BTreeMap<&'static str, String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UploadPart {
    /// From 1.
    part: u32,
    size: u64,
    sha256: String,
}

/// A request to make of the storage itself: `PUT` with the part as it is for a body, and these headers.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartLink {
    url: String,
    headers: BTreeMap<String, String>,
    /// When it must have been begun.
    expires_at: String,
}

pub(crate) fn link(link: PutLink, expires_at: Timestamp) -> PartLink {
    PartLink {
        url: link.url,
        headers: link.headers.into_iter().collect(),
        expires_at: time(expires_at),
    }
}

pub(crate) fn show(
    call: &Call,
    upload: &upload::Upload,
    parts: &[upload::UploadPart],
    assembled: Option<u64>,
) -> Upload {
    let base = call.url(&format!("/v1/uploads/{}", upload.id));
    let kept = Duration::from_millis(UPLOAD_KEPT_MS.unsigned_abs());
    Upload {
        id: upload.id.to_string(),
        name: upload.name.clone(),
        size: upload.size_bytes,
        part_size: upload.part_bytes,
        part_count: upload.parts(),
        parts: parts.iter().map(part).collect(),
        dataset: upload.dataset.as_ref().map(ToString::to_string),
        assembled,
        complete: upload.made.is_some(),
        direct: call.state.parts.blobs.gives_links(),
        created_at: time(upload.created_at),
        expires_at: time(upload.touched_at.plus(kept)),
        urls: BTreeMap::from([
            ("parts", format!("{base}/parts")),
            ("complete", format!("{base}/complete")),
            ("get", base),
        ]),
    }
}

pub(crate) fn part(part: &upload::UploadPart) -> UploadPart {
    UploadPart {
        part: part.number,
        size: part.blob.size_bytes,
        sha256: part.blob.sha256.clone(),
    }
}
