//! A request and its answer.

use crate::gateway::front::Front;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use std::net::IpAddr;

pub(crate) const HOST: &str = "127.0.0.1:8484";

pub(crate) struct Ask<'a> {
    front: &'a Front,
    request: http::request::Builder,
    body: Body,
    peer: IpAddr,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(front: &'a Front, method: Method, path: &str) -> Self {
        Self {
            front,
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
            peer: IpAddr::from([127, 0, 0, 1]),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn cookie(self, session: &str) -> Self {
        self.header("cookie", &format!("onstage_session={session}"))
    }

    pub(crate) fn by_peer(mut self, peer: &str) -> Self {
        self.peer = peer.parse().unwrap();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::from(body.into());
        self
    }

    /// Parts of name, file name and content.
    pub(crate) fn form(self, parts: &[(&str, Option<&str>, &str)]) -> Self {
        let mut text = String::new();
        for (name, file, content) in parts {
            let file = file
                .map(|file| {
                    format!("; filename=\"{file}\"\r\ncontent-type: application/octet-stream")
                })
                .unwrap_or_default();
            text += &format!(
                "--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n"
            );
        }
        text += "--edge--\r\n";
        self.header("content-type", "multipart/form-data; boundary=edge")
            .body(text)
    }

    /// The answer with its body still open.
    pub(crate) async fn open(self) -> http::Response<Body> {
        let mut request = self.request.body(self.body).unwrap();
        if !request.headers().contains_key(header::HOST) {
            request
                .headers_mut()
                .insert(header::HOST, HOST.parse().unwrap());
        }
        self.front.answer(request, self.peer).await
    }

    pub(crate) async fn send(self) -> Reply {
        let (parts, body) = self.open().await.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// A problem of this status, whole and with its request id.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(
            problem["detail"].as_str().unwrap().ends_with('.'),
            "{problem}"
        );
        problem
    }

    /// An error in the words of the Open Inference Protocol.
    #[track_caller]
    pub(crate) fn inference_error(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        let body = self.json();
        let error = body["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "{body}");
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}
