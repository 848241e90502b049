//! What happens to every request before and after its route: a name, a known host, headers that protect browsers, no panic.
//! Does not know the routes; the router does.

use super::{
    call::{Seen, own_host},
    problem::Problem,
    router,
    state::State,
};
use axum::{Router, body::Body, response::Response};
use futures::FutureExt;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use std::{net::IpAddr, panic::AssertUnwindSafe, sync::atomic::Ordering::Relaxed};
use tower::ServiceExt;

/// A client may name its request; longer or odd names are not taken over.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Where pages may send requests to follows it.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; \
     style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self'";

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The router with its surroundings. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    state: State,
    router: Router,
    content_policy: HeaderValue,
}

impl Front {
    pub(crate) fn new(state: State) -> Self {
        Self {
            router: router::build(&state),
            content_policy: content_policy(state.settings.storage_origin.as_deref()),
            state,
        }
    }

    /// Answers one request; never fails.
    pub(crate) fn answer(
        &self,
        mut request: Request<Body>,
        peer: IpAddr,
    ) -> impl Future<Output = Response> + Send + 'static {
        let front = self.clone();
        let request_id = front.name(&request);
        async move {
            let known = front.is_known_host(&request, peer);
            let mut response = if !has_one_host(&request) {
                two_hosts().into_response(&request_id)
            } else if known {
                request.extensions_mut().insert(Seen {
                    peer,
                    request_id: request_id.clone(),
                });
                front.route(request, &request_id).await
            } else {
                foreign_host().into_response(&request_id)
            };
            protect(&mut response, &request_id, &front.content_policy);
            response
        }
    }

    async fn route(&self, request: Request<Body>, request_id: &str) -> Response {
        let routed = AssertUnwindSafe(self.router.clone().oneshot(request))
            .catch_unwind()
            .await;
        match routed {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                tracing::error!(request_id, "a handler panicked");
                Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "Something went wrong inside Onstage. The request id leads to the log line.",
                )
                .into_response(request_id)
            }
        }
    }

    fn name(&self, request: &Request<Body>) -> String {
        let given = request
            .headers()
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_plain(id));
        match given {
            Some(id) => id.to_owned(),
            None => format!(
                "{}-{:x}",
                self.state.request_prefix,
                self.state.requests.fetch_add(1, Relaxed)
            ),
        }
    }

    fn is_known_host(&self, request: &Request<Body>, peer: IpAddr) -> bool {
        // Probes of load balancers come by any name, and these say nothing.
        const PROBES: [&str; 4] = ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"];
        PROBES.contains(&request.uri().path())
            || self
                .state
                .hosts
                .allow(own_host(&self.state, request.headers(), peer))
    }
}

/// A request that names two hosts would be judged by one and understood by the other.
fn has_one_host(request: &Request<Body>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    let authority = request.uri().authority().map(|it| it.as_str().as_bytes());
    other.is_none() && authority.is_none_or(|it| host.is_some_and(|host| host.as_bytes() == it))
}

fn two_hosts() -> Problem {
    Problem::invalid("ambiguous_host", "The request names more than one host.")
}

fn is_plain(id: &str) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn foreign_host() -> Problem {
    Problem::forbidden(
        "host_not_allowed",
        "This installation does not answer to the host name in the request.",
    )
    .hint("add the name to `hosts` in the configuration (`ONSTAGE_HOSTS`), or use the address")
}

fn content_policy(storage_origin: Option<&str>) -> HeaderValue {
    let storage =
        storage_origin.map(|origin| HeaderValue::from_str(&format!("{CONTENT_POLICY} {origin}")));
    match storage {
        Some(Ok(policy)) => policy,
        _ => HeaderValue::from_static(CONTENT_POLICY),
    }
}

/// How many fields `protect` adds.
const PROTECTING_FIELDS: usize = 6;

/// Headers on every answer. What a handler set itself stays.
fn protect(response: &mut Response, request_id: &str, content_policy: &HeaderValue) {
    let headers = response.headers_mut();
    headers.reserve(PROTECTING_FIELDS);
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| content_policy.clone());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::tests::world::World;
    use axum::routing::get;
    use http_body_util::BodyExt;

    #[test]
    fn a_request_names_one_host() {
        let ask = |uri: &str, hosts: &[&str]| {
            let mut request = Request::get(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            has_one_host(&request.body(Body::empty()).expect("legal"))
        };
        assert!(ask("/", &["localhost"]) && ask("/", &[]));
        assert!(ask("http://localhost/", &["localhost"]));
        assert!(!ask("/", &["localhost", "evil.example"]));
        assert!(!ask("http://evil.example/", &["localhost"]));
    }

    #[test]
    fn pages_may_send_to_the_storage_and_nowhere_else() {
        let sends_to = |origin| {
            let policy = content_policy(origin).to_str().unwrap().to_owned();
            policy.split_once("connect-src ").unwrap().1.to_owned()
        };
        assert_eq!(sends_to(None), "'self'");
        assert_eq!(
            sends_to(Some("https://b.example")),
            "'self' https://b.example"
        );
        assert_eq!(sends_to(Some("https://b.example\n")), "'self'");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_panic_is_an_answer_with_its_name() {
        async fn broken() {
            panic!("a secret of the house");
        }
        let world = World::new().await;
        let front = Front {
            content_policy: content_policy(None),
            state: world.state.clone(),
            router: Router::new().route("/healthz", get(broken)),
        };
        let request = Request::get("/healthz").body(Body::empty()).expect("legal");
        let response = front.answer(request, [127, 0, 0, 1].into()).await;
        assert_eq!(response.status(), 500);
        let name = response.headers()[X_REQUEST_ID]
            .to_str()
            .unwrap()
            .to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains(&name) && !text.contains("secret"), "{text}");
    }
}
