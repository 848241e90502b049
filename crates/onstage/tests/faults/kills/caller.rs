//! A client of a server that is killed: an answer that did not come says nothing, and what must be known is asked for again.
//! Knows no experiment.

use crate::world::PATIENCE;
use reqwest::Method;
use serde_json::Value;
use std::time::{Duration, Instant};

/// After so long an answer is not waited for.
const ANSWER_S_MAX: u64 = 20;
const AGAIN: Duration = Duration::from_millis(40);

#[derive(Clone)]
pub(crate) struct Caller {
    client: reqwest::Client,
    url: String,
    /// Lives as long as the store, unlike the one of a server's start.
    token: String,
}

impl Caller {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let client = reqwest::Client::builder();
        let client = client.timeout(Duration::from_secs(ANSWER_S_MAX));
        Self {
            client: client.build().unwrap(),
            url: url.to_owned(),
            token: token.to_owned(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.client.request(method, url).bearer_auth(&self.token)
    }

    /// Asks once. None: nobody knows what became of it.
    pub(crate) async fn ask(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.ok()?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Some((
            status,
            serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
        ))
    }

    /// Asks until there is an answer other than to come again, as whoever needs it does.
    pub(crate) async fn sure(&self, request: impl Fn() -> reqwest::RequestBuilder) -> (u16, Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ask(request()).await {
                Some((status, answer)) if !matches!(status, 429 | 503 | 507) => {
                    return (status, answer);
                }
                last => assert!(Instant::now() < deadline, "no answer, last {last:?}"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.sure(|| self.request(Method::GET, path)).await
    }

    /// Submits under a key, so that however often it is sent there is one job.
    pub(crate) async fn submit(&self, path: &str, body: &Value, key: &str) -> (u16, Value) {
        let request = || {
            let request = self.request(Method::POST, path).json(body);
            request.header("idempotency-key", key)
        };
        self.sure(request).await
    }

    pub(crate) async fn upload(&self, name: &str, content: &str) -> String {
        let request = || {
            let part = reqwest::multipart::Part::text(content.to_owned());
            let form =
                reqwest::multipart::Form::new().part("content", part.file_name(name.to_owned()));
            self.request(Method::POST, "/v1/files").multipart(form)
        };
        let (status, file) = self.sure(request).await;
        assert_eq!(status, 201, "{file}");
        file["id"].as_str().unwrap().to_owned()
    }
}

/// Randomness of one client, from the experiment's.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
