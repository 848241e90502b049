//! `GET …/versions/{version}/logs`: what building and setting up printed.
//! Does not write it; the engine's builder does.

use super::find;
use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
};
use onstage_core::{Kind, model::VersionId, value::BlobRef};

pub(crate) async fn run(call: Call) -> Answer {
    let version = find::in_path(&call).await?;
    Ok(call::text(read(&call, &version.id).await?))
}

/// Empty when nothing was printed yet.
pub(crate) async fn read(call: &Call, id: &VersionId) -> Result<String, Problem> {
    let blobs = &call.state.parts.blobs;
    let key = format!("versions/{id}/build.log");
    let size_bytes = match blobs.size(&key).await {
        Ok(size) => size,
        Err(error) if error.kind == Kind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error.into()),
    };
    let log = BlobRef {
        key,
        size_bytes,
        sha256: String::new(),
    };
    let bytes = blobs.get(&log).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
