//! Uploads: a file of any size streamed into a blob or a temporary file, never held in memory.
//! Does not make records of them.

use super::form;
use crate::gateway::{call::Call, problem::Problem};
use axum::{body::BodyDataStream, extract::multipart::Field};
use bytes::Bytes;
use futures::StreamExt;
use http::StatusCode;
use onstage_core::{Error, value::BlobRef};
use std::{path::Path, time::Duration};
use tokio::io::AsyncWriteExt;

/// Of a body whose bytes cannot be kept, so much is read for nothing.
const PASSED_OVER_BYTES_MAX: usize = 32 << 20;
const PASSED_OVER_MAX: Duration = Duration::from_secs(10);

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

/// A body piece by piece, at most so many bytes of it.
struct Pieces {
    body: BodyDataStream,
    bytes_max: u64,
    read_bytes: u64,
}

impl Pieces {
    fn open(call: &mut Call, bytes_max: u64) -> Result<Self, Problem> {
        super::refuse_encoding(&call.headers)?;
        super::refuse_length(&call.headers, bytes_max)?;
        Ok(Self {
            body: call.take_body().into_data_stream(),
            bytes_max,
            read_bytes: 0,
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let Some(piece) = self.body.next().await else {
            return Ok(None);
        };
        let piece = piece.map_err(|_| super::cut_off())?;
        self.read_bytes += piece.len() as u64;
        if self.read_bytes > self.bytes_max {
            return Err(super::too_large(self.bytes_max));
        }
        Ok(Some(piece))
    }

    /// Reads on to the end where that is near, for nothing: many clients look for an answer only when they have sent everything, and
    /// would be told of a broken connection instead of what went wrong.
    async fn let_end(&mut self) {
        let reading = async {
            let mut left = PASSED_OVER_BYTES_MAX;
            while let Some(Ok(piece)) = self.body.next().await
                && let Some(rest) = left.checked_sub(piece.len())
            {
                left = rest;
            }
        };
        // Who is slower than that has to send it again anyway.
        let _ = tokio::time::timeout(PASSED_OVER_MAX, reading).await;
    }
}

/// Streams the whole body into a file. Errors: 413; 400 when it was cut off.
pub(crate) async fn body_to_file(
    call: &mut Call,
    path: &Path,
    bytes_max: u64,
) -> Result<u64, Problem> {
    let mut pieces = Pieces::open(call, bytes_max)?;
    let mut file = tokio::fs::File::create(path).await.map_err(unwritable)?;
    while let Some(piece) = pieces.next().await? {
        file.write_all(&piece).await.map_err(unwritable)?;
    }
    file.flush().await.map_err(unwritable)?;
    Ok(pieces.read_bytes)
}

/// Streams the whole body into a blob; answers its first `head_bytes` as well. Errors: 413; 400 when it was cut off; 422 when it is empty.
pub(crate) async fn body_to_blob(
    call: &mut Call,
    key: &str,
    bytes_max: u64,
    head_bytes: usize,
) -> Result<(BlobRef, Vec<u8>), Problem> {
    let mut pieces = Pieces::open(call, bytes_max)?;
    let mut writer = call.state.parts.blobs.writer(key).await?;
    let mut head = Vec::new();
    while let Some(piece) = pieces.next().await? {
        let more = (head_bytes - head.len()).min(piece.len());
        head.extend_from_slice(&piece[..more]);
        if let Err(error) = writer.write(piece).await {
            pieces.let_end().await;
            return Err(error.into());
        }
    }
    if pieces.read_bytes == 0 {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "empty_body",
            "The body is empty.",
        )
        .hint("with curl: `--upload-file FILE`"));
    }
    Ok((writer.finish().await?, head))
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
