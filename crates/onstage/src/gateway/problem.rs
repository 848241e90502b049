//! The one place where errors become answers: kinds to statuses and codes, problems to `application/problem+json`.
//! Does not know which route failed.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use onstage_core::{Error, Kind, ports::CheckError};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What a handler answers.
pub(crate) type Answer = Result<Response, Problem>;

/// A refusal or failure on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// A whole sentence; names the field at fault.
    pub(crate) detail: String,
    pub(crate) hint: Option<String>,
    pub(crate) errors: Box<[FieldProblem]>,
    pub(crate) retryable: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What went wrong inside; for the log only.
    fault: Option<Box<Error>>,
}

/// One thing that is wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// JSON pointer into the body.
    pub(crate) pointer: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// The body of every error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    errors: &'a [FieldProblem],
    hint: Option<&'a str>,
    retryable: bool,
    request_id: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            hint: None,
            errors: Box::default(),
            retryable: false,
            headers: Vec::new(),
            fault: None,
        }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says when to come again, in whole seconds: the form that clients understand.
    #[must_use]
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retryable = true;
        self.header(header::RETRY_AFTER, whole_seconds(wait))
    }

    pub(crate) fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "This needs a token or a signed-in session, and none that is valid was sent.",
        )
        .hint(
            "send `Authorization: Bearer os_…`, or open the login link that `onstage open` prints",
        )
        .header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"onstage\""),
        )
    }

    /// An input that does not fit the model's schema: every violation, the first in words.
    pub(crate) fn unfit(prefix: &str, errors: Vec<CheckError>) -> Self {
        let detail = match errors.first() {
            Some(first) => format!(
                "The input `{}` should be {}, but it is {}{}.",
                field_name(&first.pointer),
                first.expected,
                first.got,
                match errors.len() - 1 {
                    0 => String::new(),
                    more => format!(" (and {more} more)"),
                }
            ),
            None => "The input does not fit the model's schema.".to_owned(),
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", detail);
        problem.errors = errors
            .into_iter()
            .map(|error| FieldProblem {
                pointer: format!("{prefix}{}", error.pointer),
                expected: error.expected,
                got: error.got,
            })
            .collect();
        problem
    }

    /// One field at fault.
    pub(crate) fn field(pointer: &str, expected: &str, got: impl Into<String>) -> Self {
        let got = got.into();
        let name = field_name(pointer);
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            format!("The field `{name}` should be {expected}, but it is {got}."),
        );
        problem.errors = Box::new([FieldProblem {
            pointer: pointer.to_owned(),
            expected: expected.to_owned(),
            got,
        }]);
        problem
    }

    /// Says on the log what the answer does not, under the request's id.
    pub(crate) fn log(&self, request_id: &str) {
        if let Some(error) = &self.fault {
            tracing::error!(request_id, %error, "a request failed for a fault of ours");
        }
    }

    /// The answer in the words of the protocol that the path belongs to.
    pub(crate) fn into_response_at(self, path: &str, request_id: &str) -> Response {
        if path == "/v2" || path.starts_with("/v2/") {
            self.log(request_id);
            self.into_inference_error()
        } else {
            self.into_response(request_id)
        }
    }

    /// `{"error": …}`, as the Open Inference Protocol has it, which knows no 422.
    fn into_inference_error(mut self) -> Response {
        if self.status == StatusCode::UNPROCESSABLE_ENTITY {
            self.status = StatusCode::BAD_REQUEST;
        }
        let text = match self.hint.take() {
            Some(hint) => format!("{} Hint: {hint}.", self.detail),
            None => std::mem::take(&mut self.detail),
        };
        let text = serde_json::json!({ "error": text }).to_string();
        self.respond("application/json", text)
    }

    fn respond(self, media_type: &'static str, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.extend(self.headers);
        response
    }

    pub(crate) fn into_response(self, request_id: &str) -> Response {
        self.log(request_id);
        let body = ProblemBody {
            r#type: format!("urn:onstage:problem:{}", self.code),
            title: title(self.status),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
            hint: self.hint.as_deref(),
            retryable: self.retryable,
            request_id,
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        self.respond("application/problem+json", text)
    }
}

impl From<Error> for Problem {
    fn from(mut error: Error) -> Self {
        let (status, code) = status_and_code(error.kind);
        let mut problem = if matches!(error.kind, Kind::Internal) {
            Self::new(
                status,
                code,
                "Something went wrong inside Onstage. The request id leads to the log line.",
            )
        } else {
            Self::new(status, code, sentence(&error.to_string()))
        };
        problem.hint = error.hint.take();
        if error.kind.retryable() {
            problem = problem.retry_after(Duration::from_secs(1));
        }
        if matches!(error.kind, Kind::Internal) {
            problem.fault = Some(Box::new(error));
        }
        problem
    }
}

fn status_and_code(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
        Kind::Lost => (StatusCode::CONFLICT, "lost"),
        Kind::Denied => (StatusCode::FORBIDDEN, "denied"),
        Kind::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        Kind::OverBudget => (StatusCode::PAYMENT_REQUIRED, "over_budget"),
        Kind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Kind::Full => (StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
        Kind::UserCode => (StatusCode::UNPROCESSABLE_ENTITY, "model_failed"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// Lower-case messages become sentences.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let mut text: String = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

fn field_name(pointer: &str) -> String {
    let name = pointer.trim_start_matches('/').replace('/', ".");
    if name.is_empty() {
        "input".to_owned()
    } else {
        name
    }
}

/// Whole seconds, at least one: some clients read nothing else.
pub(crate) fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs_f64().ceil().clamp(1.0, 3600.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    #[test]
    fn every_kind_has_its_own_status_and_secrets_stay_inside() {
        let problem = Problem::from(Error::busy("queue of `lab/age` is full"));
        assert_eq!(problem.status, 429);
        assert_eq!(problem.detail, "Queue of `lab/age` is full.");
        let response = problem.into_response("r1");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let hidden = Problem::from(Error::internal("the password is swordfish"));
        assert!(!hidden.detail.contains("swordfish"));
        assert_eq!(hidden.status, 500);
    }

    #[test]
    fn the_request_id_leads_to_the_log_line() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || Kept(Arc::clone(&kept)))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for path in ["/v1/models", "/v2/models"] {
                let problem = Problem::from(Error::internal("the disk is upside down"));
                problem.into_response_at(path, "r7");
            }
        });
        let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
        assert_eq!(log.lines().count(), 2, "{log}");
        for line in log.lines() {
            assert!(
                line.contains("r7") && line.contains("upside down"),
                "{line}"
            );
        }
    }

    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_unfit_input_names_its_field() {
        let problem = Problem::unfit(
            "/input",
            vec![CheckError {
                pointer: "/age".into(),
                expected: "a number".into(),
                got: "\"old\"".into(),
            }],
        );
        assert!(problem.detail.contains("`age`"), "{}", problem.detail);
        assert_eq!(problem.errors[0].pointer, "/input/age");
    }
}
