//! Uploads in parts: each sent again until it is there, and what came before a cut not sent twice.
//! Does not print.

use super::{Away, Client, transfer::Moved};
use bytes::Bytes;
use onstage_core::{Error, Kind, Result};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, path::Path, time::Duration};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

/// Smaller files go in one request.
const WHOLE_BYTES_MAX: u64 = 64 << 20;
/// Between two looks whether the parts are put together.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What is to be uploaded, and what the server should take it for.
pub(crate) struct Sending<'a> {
    pub(crate) file: &'a Path,
    pub(crate) name: &'a str,
    pub(crate) dataset: &'a str,
    pub(crate) format: Option<&'a str>,
}

/// One part on its way.
pub(super) struct Part<'a> {
    /// Of the API.
    pub(super) path: &'a str,
    pub(super) sha256: &'a str,
    pub(super) bytes: Bytes,
}

impl Client {
    /// Adds a file to a dataset; answers the version. `begun` is told the id of an upload that can be taken up again.
    pub(crate) async fn put_dataset(
        &self,
        sending: &Sending<'_>,
        resume: Option<&str>,
        moved: Moved,
        begun: impl FnOnce(&str),
        say: &dyn Fn(&str),
    ) -> Result<Value> {
        let cannot = |error| unreadable(sending.file, error);
        let file = File::open(sending.file).await.map_err(cannot)?;
        let size = file.metadata().await.map_err(cannot)?.len();
        if size <= WHOLE_BYTES_MAX && resume.is_none() {
            return self.put_whole(sending, file, moved, say).await;
        }
        let upload = match resume {
            Some(id) => self.get(&format!("/v1/uploads/{id}")).await?,
            None => self.begin(sending, size).await?,
        };
        if upload["size"] != size || upload["dataset"] != sending.dataset {
            return Err(Error::conflict(format!(
                "upload `{}` is of {} bytes for dataset `{}`",
                text(&upload, "id"),
                upload["size"],
                text(&upload, "dataset")
            ))
            .hint("begin another without `--resume`"));
        }
        begun(text(&upload, "id"));
        self.send_parts(sending.file, file, &upload, moved, say)
            .await?;
        self.complete(text(&upload, "id"), say).await
    }

    async fn put_whole(
        &self,
        sending: &Sending<'_>,
        mut file: File,
        moved: Moved,
        say: &dyn Fn(&str),
    ) -> Result<Value> {
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes).await;
        read.map_err(|error| unreadable(sending.file, error))?;
        let size = bytes.len() as u64;
        let bytes = Bytes::from(bytes);
        let path = format!("/v1/datasets/{}", sending.dataset);
        let ask = || {
            let mut query = vec![("filename", sending.name)];
            query.extend(sending.format.map(|format| ("format", format)));
            self.request(Method::PUT, &path)
                .query(&query)
                .header("content-type", "application/octet-stream")
                .body(bytes.clone())
        };
        let (_, version) = self.insist(ask, say).await?;
        moved(size);
        Ok(version)
    }

    async fn begin(&self, sending: &Sending<'_>, size: u64) -> Result<Value> {
        let wish = json!({
            "name": sending.name,
            "size": size,
            "dataset": sending.dataset,
            "format": sending.format,
        });
        self.post("/v1/uploads", &wish).await
    }

    /// Every part that is not there yet as it is in the file.
    async fn send_parts(
        &self,
        path: &Path,
        mut file: File,
        upload: &Value,
        moved: Moved,
        say: &dyn Fn(&str),
    ) -> Result<()> {
        let there: HashMap<u64, &str> = upload["parts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|part| Some((part["part"].as_u64()?, part["sha256"].as_str()?)))
            .collect();
        let number = |name: &str| upload[name].as_u64().unwrap_or_default();
        let (size, part_size) = (number("size"), number("part_size").max(1));
        file.rewind()
            .await
            .map_err(|error| unreadable(path, error))?;
        let mut direct = upload["direct"] == true;
        for part in 1..=number("part_count") {
            let length = part_size.min(size - (part - 1) * part_size);
            let mut bytes = vec![0; length as usize];
            let read = file.read_exact(&mut bytes).await;
            read.map_err(|error| unreadable(path, error))?;
            let sha256 = hex(&Sha256::digest(&bytes));
            if there.get(&part) != Some(&sha256.as_str()) {
                let part = Part {
                    path: &format!("/v1/uploads/{}/parts/{part}", text(upload, "id")),
                    sha256: &sha256,
                    bytes: Bytes::from(bytes),
                };
                direct = direct && self.sent_directly(&part, say).await?;
                if !direct {
                    self.send_part(&part, say).await?;
                }
            }
            moved(length);
        }
        Ok(())
    }

    async fn send_part(&self, part: &Part<'_>, say: &dyn Fn(&str)) -> Result<()> {
        let ask = || {
            self.request(Method::PUT, part.path)
                .query(&[("sha256", part.sha256)])
                .header("content-type", "application/octet-stream")
                .body(part.bytes.clone())
        };
        self.insist(ask, say).await.map(drop)
    }

    async fn complete(&self, id: &str, say: &dyn Fn(&str)) -> Result<Value> {
        let path = format!("/v1/uploads/{id}/complete");
        loop {
            let ask = || self.request(Method::POST, &path);
            let (status, answer) = self.insist(ask, say).await?;
            if status != StatusCode::ACCEPTED {
                return Ok(answer);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Asks until there is an answer, through cuts and restarts of the server; what is asked may be asked twice.
    pub(super) async fn insist(
        &self,
        ask: impl Fn() -> RequestBuilder,
        say: &dyn Fn(&str),
    ) -> Result<(StatusCode, Value)> {
        let mut away = Away::default();
        loop {
            let answer = async {
                let response = self.send(ask()).await?;
                Ok::<_, Error>((response.status(), self.json(response).await?))
            };
            match answer.await {
                Ok(answer) => return Ok(answer),
                Err(error) if away.rides_out(self, &error, say).await => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string works");
        text
    })
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let text = format!("file `{}` cannot be read", path.display());
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Error::new(Kind::Conflict, text).because("it became shorter while it was sent")
        }
        _ => Error::invalid(text).because(error),
    }
}
