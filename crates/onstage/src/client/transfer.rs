//! Files up and down, streamed in pieces with the number of bytes told on the way.
//! Never holds a whole file in memory.

use super::Client;
use futures::{StreamExt, TryStreamExt};
use onstage_core::{Error, Result};
use reqwest::{Body, Method, multipart};
use serde_json::Value;
use std::{path::Path, sync::Arc};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

/// Told after each piece how many bytes it had.
pub(crate) type Moved = Arc<dyn Fn(u64) + Send + Sync>;

impl Client {
    /// Uploads a file; answers its record.
    pub(crate) async fn upload(&self, path: &Path, moved: Moved) -> Result<Value> {
        let name = path.file_name().unwrap_or("file".as_ref());
        self.upload_as(path, &name.to_string_lossy(), moved).await
    }

    /// As `upload`, under another name.
    pub(crate) async fn upload_as(&self, path: &Path, name: &str, moved: Moved) -> Result<Value> {
        let (body, size) = stream(path, moved).await?;
        let part = multipart::Part::stream_with_length(body, size)
            .file_name(name.to_owned())
            .mime_str(media_type(path))
            .map_err(|error| Error::internal("a media type of ours is wrong").because(error))?;
        let form = multipart::Form::new().part("content", part);
        let request = self.request(Method::POST, "/v1/files").multipart(form);
        self.json(self.send(request).await?).await
    }

    /// Sends a file as the request's whole body.
    pub(crate) async fn post_file(
        &self,
        path: &str,
        file: &Path,
        media_type: &str,
        moved: Moved,
    ) -> Result<Value> {
        let (body, size) = stream(file, moved).await?;
        let request = self
            .request(Method::POST, path)
            .header("content-type", media_type)
            .header("content-length", size)
            .body(body);
        self.json(self.send(request).await?).await
    }

    /// Downloads into a file that appears only when it is whole.
    pub(crate) async fn download(&self, path: &str, to: &Path, moved: Moved) -> Result<u64> {
        let response = self.send(self.request(Method::GET, path)).await?;
        let cannot = |error: std::io::Error| {
            Error::unavailable(format!("file `{}` cannot be written", to.display())).because(error)
        };
        let folder = to
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let temporary = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
        let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(cannot)?);
        let mut bytes = response.bytes_stream();
        let mut total = 0;
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(|error| self.unreachable(error))?;
            file.write_all(&piece).await.map_err(cannot)?;
            total += piece.len() as u64;
            moved(piece.len() as u64);
        }
        file.flush().await.map_err(cannot)?;
        readable(&temporary);
        temporary.persist(to).map_err(|error| cannot(error.error))?;
        Ok(total)
    }
}

/// Temporary files are for their user only; a result is an ordinary file.
fn readable(file: &tempfile::NamedTempFile) {
    use std::os::unix::fs::PermissionsExt;
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::umask(mask);
    let mode = 0o666 & !mask.as_raw_mode();
    if let Err(error) = file
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))
    {
        tracing::debug!(%error, "the result keeps narrow permissions");
    }
}

async fn stream(path: &Path, moved: Moved) -> Result<(Body, u64)> {
    let cannot = |error: std::io::Error| {
        Error::invalid(format!("file `{}` cannot be read", path.display())).because(error)
    };
    let file = tokio::fs::File::open(path).await.map_err(cannot)?;
    let metadata = file.metadata().await.map_err(cannot)?;
    if metadata.is_dir() {
        return Err(Error::invalid(format!(
            "`{}` is a folder, not a file",
            path.display()
        )));
    }
    let pieces = ReaderStream::with_capacity(file, 1 << 16)
        .inspect_ok(move |piece| moved(piece.len() as u64));
    Ok((Body::wrap_stream(pieces), metadata.len()))
}

/// The media type that a file name's ending says.
pub(crate) fn media_type(path: &Path) -> &'static str {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match ending.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "svg" => "image/svg+xml",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "parquet" | "pq" => "application/vnd.apache.parquet",
        "arrow" | "feather" | "ipc" => "application/vnd.apache.arrow.file",
        "json" => "application/json",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}
