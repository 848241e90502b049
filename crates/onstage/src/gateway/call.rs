//! One request as a handler sees it: who asks, for what, with which body; and the plain ways to answer.
//! Does not know any route.

use super::{
    auth::Who,
    body::budget::Held,
    problem::{Answer, Problem},
    state::State,
};
use axum::{body::Body, extract::Query, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use onstage_core::{
    Id, ModelName,
    limits::PAGE_ROWS_MAX,
    people::{Principal, Role},
    ports::Page,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Rows of a page when the client does not say.
const PAGE_ROWS_DEFAULT: u32 = 50;

/// What the front knew before the router.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) peer: IpAddr,
    pub(crate) request_id: String,
}

/// A request that may be answered.
pub(crate) struct Call {
    pub(crate) state: State,
    pub(crate) who: Option<Who>,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) params: Vec<(String, String)>,
    body: Mutex<Body>,
    held: Mutex<Held>,
    pub(crate) seen: Seen,
}

impl Call {
    pub(crate) fn new(
        state: State,
        who: Option<Who>,
        parts: http::request::Parts,
        params: Vec<(String, String)>,
        body: Body,
        seen: Seen,
    ) -> Self {
        Self {
            state,
            who,
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            params,
            // A body can be sent to another thread but not shared; the lock is never contended.
            body: Mutex::new(body),
            held: Mutex::default(),
            seen,
        }
    }

    /// The body; the second time it is empty.
    pub(crate) fn take_body(&mut self) -> Body {
        std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// Books bytes that are kept in memory for it until it is answered: of its body, and of blobs that it names.
    /// Errors: 503 when all requests together hold too much; 413 when it alone does.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Problem> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.grow(&self.state.bodies, bytes)
    }

    /// The same request without its body, for an answer that outlives the handler.
    pub(crate) fn again(&self) -> Self {
        Self {
            state: self.state.clone(),
            who: self.who.clone(),
            method: self.method.clone(),
            uri: self.uri.clone(),
            headers: self.headers.clone(),
            params: self.params.clone(),
            body: Mutex::default(),
            held: Mutex::default(),
            seen: self.seen.clone(),
        }
    }

    /// Who asks. Errors: 401 on a route without access control, which is a fault of the table.
    pub(crate) fn principal(&self) -> Result<&Principal, Problem> {
        self.who
            .as_ref()
            .map(|who| &who.principal)
            .ok_or_else(Problem::unauthenticated)
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.who
            .as_ref()
            .is_some_and(|who| who.principal.role == Role::Owner)
    }

    /// A part of the path; the router has seen to it that it is there.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn id(&self) -> Result<Id, Problem> {
        self.param("id").parse().map_err(|_| {
            Problem::not_found(format!(
                "There is nothing with the id `{}`.",
                shortened(self.param("id"))
            ))
        })
    }

    /// The model in the path. A name that cannot be one is one that does not exist.
    pub(crate) fn model_name(&self) -> Result<ModelName, Problem> {
        let owner = match self.param("owner") {
            "" => &self.state.settings.default_owner,
            owner => owner,
        };
        ModelName::new(owner, self.param("name")).map_err(|_| {
            Problem::not_found(format!(
                "There is no model `{}/{}`.",
                shortened(owner),
                shortened(self.param("name"))
            ))
        })
    }

    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        Query::try_from_uri(&self.uri)
            .map(|Query(query)| query)
            .map_err(|error| {
                Problem::invalid(
                    "invalid_query",
                    format!("The query cannot be read: {}.", innermost(&error)),
                )
            })
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn accepts(&self, media_type: &str) -> bool {
        self.header(&header::ACCEPT)
            .is_some_and(|accept| accept.contains(media_type))
    }

    /// `Prefer: respond-async`, `Prefer: wait[=n]` and `Prefer: cancel-on-disconnect`.
    pub(crate) fn prefer(&self) -> Prefer {
        let mut prefer = Prefer::default();
        let name = HeaderName::from_static("prefer");
        for value in self.headers.get_all(name) {
            for word in value.to_str().unwrap_or_default().split(',') {
                // Parameters of a preference change nothing here.
                let word = word.split(';').next().unwrap_or_default().trim();
                if word.eq_ignore_ascii_case("respond-async") {
                    prefer.respond_async = true;
                } else if word.eq_ignore_ascii_case("cancel-on-disconnect") {
                    prefer.cancel_on_disconnect = true;
                } else if word.eq_ignore_ascii_case("wait") {
                    prefer.wait = true;
                } else if let Some(seconds) = value_of(word, "wait") {
                    prefer.wait = true;
                    prefer.wait_s = seconds.parse().ok().filter(|s: &f64| *s >= 0.0);
                }
            }
        }
        prefer
    }

    /// The path prefix under which a trusted proxy shows us; empty without one.
    pub(crate) fn link(&self, path: &str) -> String {
        match self.forwarded("x-forwarded-prefix") {
            Some(prefix) if is_prefix(prefix) => {
                format!("{}{path}", prefix.trim_end_matches('/'))
            }
            _ => path.to_owned(),
        }
    }

    /// An address for programs. Behind a path prefix it is whole: clients join a mere path to a base that has the prefix already.
    pub(crate) fn url(&self, path: &str) -> String {
        let link = self.link(path);
        if link == path {
            return link;
        }
        let scheme = if self.is_secure() { "https" } else { "http" };
        format!("{scheme}://{}{link}", self.own_host())
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.state.settings.tls || self.forwarded("x-forwarded-proto") == Some("https")
    }

    /// The host under which the client sees us.
    pub(crate) fn own_host(&self) -> &str {
        own_host(&self.state, &self.headers, self.seen.peer)
    }

    /// The address that asks: behind a trusted proxy, the one it says.
    pub(crate) fn client_address(&self) -> IpAddr {
        self.forwarded("x-forwarded-for")
            .and_then(|list| list.rsplit(',').next())
            .and_then(|address| address.trim().parse().ok())
            .unwrap_or(self.seen.peer)
    }

    fn forwarded(&self, name: &str) -> Option<&str> {
        forwarded(&self.state, &self.headers, self.seen.peer, name)
    }
}

/// A forwarded header, believed only from a configured proxy.
fn forwarded<'a>(
    state: &State,
    headers: &'a HeaderMap,
    peer: IpAddr,
    name: &str,
) -> Option<&'a str> {
    if !state.settings.proxies.contains(&peer) {
        return None;
    }
    // Proxies append: what the nearest one said is last.
    headers.get_all(name).iter().next_back()?.to_str().ok()
}

pub(crate) fn own_host<'a>(state: &State, headers: &'a HeaderMap, peer: IpAddr) -> &'a str {
    forwarded(state, headers, peer, "x-forwarded-host")
        .or_else(|| headers.get(header::HOST)?.to_str().ok())
        .unwrap_or_default()
}

/// The value of a preference such as `wait=5` or `Wait="5"`.
fn value_of<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = word.split_once('=')?;
    key.trim()
        .eq_ignore_ascii_case(name)
        .then(|| value.trim().trim_matches('"'))
}

/// A prefix ends up in links: only plain path characters are let through.
fn is_prefix(text: &str) -> bool {
    text.len() <= 200
        && text.starts_with('/')
        && !text.starts_with("//")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~'))
}

/// What a client prefers about waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Prefer {
    pub(crate) respond_async: bool,
    pub(crate) wait: bool,
    pub(crate) wait_s: Option<f64>,
    /// A client that goes away does not want its answer any more.
    pub(crate) cancel_on_disconnect: bool,
}

/// `?cursor=&limit=` of every list.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Paging {
    pub(crate) cursor: Option<String>,
    pub(crate) limit: Option<u32>,
}

impl Paging {
    pub(crate) fn rows(&self) -> u32 {
        self.limit
            .unwrap_or(PAGE_ROWS_DEFAULT)
            .clamp(1, PAGE_ROWS_MAX)
    }

    /// The page of a list whose cursor is a time and an id.
    pub(crate) fn page(&self) -> Result<Page, Problem> {
        let refused = |error: onstage_core::Error| {
            Problem::invalid("invalid_query", format!("The cursor is wrong: {error}."))
        };
        let after = self.cursor.as_deref().map(str::parse).transpose();
        Ok(Page {
            after: after.map_err(refused)?,
            limit: self.rows(),
        })
    }

    /// The page of a list whose cursor is a name.
    pub(crate) fn page_by_name(&self) -> Page<String> {
        Page {
            after: self.cursor.clone(),
            limit: self.rows(),
        }
    }
}

/// `?wait=20`, bounded by the server's maximum.
pub(crate) fn bounded_wait(state: &State, seconds: Option<f64>) -> Duration {
    let most = state.settings.wait_max;
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map_or(Duration::ZERO, |wait| wait.min(most))
}

pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Answer {
    let text = serde_json::to_vec(body).map_err(|error| {
        onstage_core::Error::internal("an answer cannot be written as JSON").because(error)
    })?;
    Ok(bytes(status, "application/json", text))
}

pub(crate) fn text(text: String) -> Response {
    bytes(StatusCode::OK, "text/plain; charset=utf-8", text)
}

pub(crate) fn bytes(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A header value out of text of ours; what cannot be one is left out.
pub(crate) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Text from outside as it may be repeated in a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    shortened(&last.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_prefixes_reach_links() {
        for good in ["/lab", "/lab/onstage/", "/a-b_c.d~e"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["", "lab", "//evil.example", "/a b", "/<script>", "/a\"b"] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }

    #[test]
    fn preferences_are_read_as_their_standard_writes_them() {
        for word in ["wait=5", "WAIT=5", "wait=\"5\"", "Wait = 5"] {
            assert_eq!(value_of(word, "wait"), Some("5"), "{word}");
        }
        assert_eq!(value_of("waiting=5", "wait"), None);
    }

    #[test]
    fn pages_are_bounded() {
        let rows = |limit| {
            Paging {
                cursor: None,
                limit,
            }
            .rows()
        };
        assert_eq!(rows(None), 50);
        assert_eq!(rows(Some(0)), 1);
        assert_eq!(rows(Some(9_999_999)), PAGE_ROWS_MAX);
    }
}
