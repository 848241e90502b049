//! Uploads: a file of any size streamed into a blob or a temporary file, never held in memory.
//! Does not make records of them.

use super::form;
use crate::gateway::{call::Call, problem::Problem};
use axum::extract::multipart::Field;
use bytes::Bytes;
use futures::StreamExt;
use onstage_core::{Error, value::BlobRef};
use std::path::Path;
use tokio::io::AsyncWriteExt;

/// Streams a form's file into a blob.
pub(crate) async fn field_to_blob(
    call: &Call,
    mut field: Field<'_>,
    key: &str,
) -> Result<BlobRef, Problem> {
    let mut writer = call.state.parts.blobs.writer(key).await?;
    while let Some(piece) = form::piece(&mut field).await? {
        writer.write(piece).await?;
    }
    Ok(writer.finish().await?)
}

pub(crate) async fn bytes_to_blob(
    call: &Call,
    bytes: Bytes,
    key: &str,
) -> Result<BlobRef, Problem> {
    Ok(call.state.parts.blobs.put(key, bytes).await?)
}

/// Streams the whole body into a file. Errors: 413; 400 when it was cut off.
pub(crate) async fn body_to_file(
    call: &mut Call,
    path: &Path,
    bytes_max: u64,
) -> Result<u64, Problem> {
    super::refuse_encoding(&call.headers)?;
    super::refuse_length(&call.headers, bytes_max)?;
    let mut file = tokio::fs::File::create(path).await.map_err(unwritable)?;
    let mut pieces = call.take_body().into_data_stream();
    let mut written = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| super::cut_off())?;
        written += piece.len() as u64;
        if written > bytes_max {
            return Err(super::too_large(bytes_max));
        }
        file.write_all(&piece).await.map_err(unwritable)?;
    }
    file.flush().await.map_err(unwritable)?;
    Ok(written)
}

/// Errors of the disk: full is one of them.
pub(crate) fn unwritable(error: std::io::Error) -> Problem {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            onstage_core::Kind::Full
        }
        _ => onstage_core::Kind::Unavailable,
    };
    Problem::from(Error::new(kind, "a temporary file cannot be written").because(error))
}
