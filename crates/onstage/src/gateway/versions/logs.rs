//! `GET …/versions/{version}/logs`: what building and setting up printed.
//! Does not write it; the engine's builder does.

use super::find;
use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
};
use onstage_core::{Kind, model::VersionId, value::BlobRef};

/// A log is written anew while it grows.
const TRIES_MAX: u32 = 3;

pub(crate) async fn run(call: Call) -> Answer {
    let version = find::in_path(&call).await?;
    Ok(call::text(read(&call, &version.id).await?))
}

/// Empty when nothing was printed yet.
pub(crate) async fn read(call: &Call, id: &VersionId) -> Result<String, Problem> {
    let blobs = &call.state.parts.blobs;
    let key = onstage_engine::builder::log_key(id);
    let mut tries = 1;
    loop {
        let size_bytes = match blobs.size(&key).await {
            Ok(size) => size,
            Err(error) if error.kind == Kind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error.into()),
        };
        let log = BlobRef {
            key: key.clone(),
            size_bytes,
            sha256: String::new(),
        };
        match blobs.get(&log).await {
            Ok(bytes) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            // The log of a build that began anew is shorter than the one that was measured.
            Err(_) if tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
