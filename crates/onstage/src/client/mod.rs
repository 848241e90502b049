//! The HTTP client that the verbs share: finds the server, sends requests, turns problems into errors.
//! Knows the public HTTP API only, nothing of stores, engines or drivers.

mod away;
mod direct;
mod events;
mod pages;
mod parts;
mod problem;
mod sse;
mod target;
mod transfer;

pub(crate) use away::Away;
pub(crate) use events::{Event, follow};
pub(crate) use pages::full_name;
pub(crate) use parts::Sending;
pub(crate) use sse::EventStream;
pub(crate) use target::{DEV_FOLDER, Named, Record, Target, record_path, write_record};
pub(crate) use transfer::media_type;

use onstage_core::{Error, Kind, Result};
use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::Value;
use std::{
    error::Error as _,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the request's last byte to the answer's first, for requests that do not wait for a prediction.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request may hang without one byte of an answer, when the answer is long in coming by design.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// What is wrong with the server's certificate, when that is why there is no connection.
fn certificate_error(error: &reqwest::Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(told @ rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return Some(told.to_string());
        }
        // What an I/O error was made of is not among its sources.
        cause = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(within) => Some(within),
            None => error.source(),
        };
    }
    None
}

fn is_web_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// A server and the right to talk to it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Shared by all copies: a restarted server is found again for all of them.
    target: Arc<Mutex<Target>>,
}

impl Client {
    pub(crate) fn new(target: Target) -> Result<Self> {
        if !is_web_address(&target.url) {
            return Err(Error::invalid(format!(
                "server `{}` is not an `http://` or `https://` address",
                target.url
            ))
            .hint("write it like `https://stage.example.org`"));
        }
        // Fails where there is a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("onstage-cli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Error::internal("the HTTP client cannot start").because(error))?;
        let target = Arc::new(Mutex::new(target));
        Ok(Self { http, target })
    }

    fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's address without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.target().url.clone()
    }

    /// Takes over the address and token of a server that was restarted. True when they are new.
    fn renew(&self) -> bool {
        self.target().renew()
    }

    /// A path of the API, or a whole link out of one of its answers, as an address.
    pub(crate) fn link(&self, path: &str) -> String {
        if is_web_address(path) {
            path.to_owned()
        } else {
            format!("{}{path}", self.target().url)
        }
    }

    /// A request with our credentials; they never go to another server than ours.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.link(path);
        let target = self.target();
        let ours = url
            .strip_prefix(&target.url)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('?'));
        let request = self.http.request(method, url);
        match &target.token {
            Some(token) if ours => request.bearer_auth(token),
            _ => request,
        }
    }

    /// Sends it; whatever is not a success is an error in the server's words.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = response.bytes().await.unwrap_or_default();
        Err(problem::error(status, retry_after.as_deref(), &body))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let ask = || self.request(Method::GET, path).timeout(ANSWER_TIMEOUT);
        let answer = match self.send(ask()).await {
            Err(error) if error.kind == Kind::Denied && self.renew() => self.send(ask()).await,
            answer => answer,
        };
        self.json(answer?).await
    }

    pub(crate) async fn get_text(&self, path: &str) -> Result<String> {
        let response = self
            .send(self.request(Method::GET, path).timeout(ANSWER_TIMEOUT))
            .await?;
        response
            .text()
            .await
            .map_err(|error| self.unreachable(error))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self
            .request(Method::POST, path)
            .timeout(ANSWER_TIMEOUT)
            .json(body);
        self.json(self.send(request).await?).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let request = self.request(Method::DELETE, path).timeout(ANSWER_TIMEOUT);
        self.send(request).await.map(drop)
    }

    /// An answer's JSON; an empty one is null.
    pub(crate) async fn json(&self, response: Response) -> Result<Value> {
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.unreachable(error))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::unavailable(format!("`{}` did not answer in JSON", self.target().url))
                .because(error)
                .hint("is there another program on this address?")
        })
    }

    pub(crate) fn unreachable(&self, error: reqwest::Error) -> Error {
        if let Some(why) = certificate_error(&error) {
            let text = format!("server `{}` is not trusted: {why}", self.target().url);
            return Error::new(Kind::Denied, text).hint(
                "if an authority of your own has signed its certificate, name that authority's in SSL_CERT_FILE",
            );
        }
        if error.is_connect() {
            return Error::unavailable(format!("no server answers at `{}`", self.target().url))
                .hint(self.target().start_hint());
        }
        let what = if error.is_timeout() {
            "took too long to answer"
        } else {
            "broke off"
        };
        Error::unavailable(format!("server `{}` {what}", self.target().url))
            .because(error.without_url())
    }
}
