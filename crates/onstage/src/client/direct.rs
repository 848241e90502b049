//! Parts that go past the server: to its storage, by links that it gives.
//! Must not send our credentials there.

use super::{Client, parts::Part};
use onstage_core::Result;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

const TRIES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// A part of 16 MiB over a slow line.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10 * 60);

impl Client {
    /// True when the part is there; false when the storage did not take it, so that it and what follows should go through the
    /// server: not every network lets everything out.
    pub(super) async fn sent_directly(&self, part: &Part<'_>, say: &dyn Fn(&str)) -> Result<bool> {
        let link = format!("{}/link", part.path);
        let posted = |path| {
            self.request(Method::POST, path)
                .query(&[("sha256", part.sha256)])
        };
        for attempt in 0..TRIES_MAX {
            tokio::time::sleep(PAUSE * attempt).await;
            let (_, link) = self.insist(|| posted(&link), say).await?;
            if self.put(&link, part).await {
                self.insist(|| posted(part.path), say).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn put(&self, link: &Value, part: &Part<'_>) -> bool {
        let url = link["url"].as_str().unwrap_or_default();
        let headers = link["headers"].as_object();
        let request = self.http.put(url).timeout(ANSWER_TIMEOUT);
        let request = headers
            .into_iter()
            .flatten()
            .fold(request, |request, (name, value)| {
                request.header(name, value.as_str().unwrap_or_default())
            });
        let answer = request.body(part.bytes.clone()).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}
