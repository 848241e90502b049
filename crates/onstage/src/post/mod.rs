//! Sends messages to webhooks: signed as Standard Webhooks says, to allowed hosts only, over a connection to an address that was checked.
//! Does not decide when; the engine's loop does.

mod address;
mod body;
mod sign;
mod wire;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use onstage_core::{
    Clock, Error, Result,
    job::Job,
    ports::{Blobs, Post, StateOp, Store},
    webhook::Message,
};
use reqwest::Url;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// From the reading of what is told to the end of the answer.
const TOGETHER_MAX: Duration = Duration::from_secs(5);
/// Where the secret lies in the store: no model's name has a space, so no model reads it.
const SPACE: &str = "onstage webhooks";
const SECRET_KEY: &str = "secret";
const SECRET_PREFIX: &str = "whsec_";

/// Where messages may go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    /// Host names; `*.example.org` stands for every name below it, `*` for every public host.
    pub(crate) hosts: Vec<String>,
    /// Also to this machine itself, and without TLS: for tests and for trying things out.
    pub(crate) loopback: bool,
}

pub(crate) struct Poster {
    allowed: Allowed,
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Fn() -> u128 + Send + Sync>,
    tls: OnceCell<TlsConnector>,
}

impl std::fmt::Debug for Poster {
    /// Says nothing of the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poster")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Poster {
    pub(crate) fn new(
        allowed: Allowed,
        store: Arc<dyn Store>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Fn() -> u128 + Send + Sync>,
    ) -> Self {
        Self {
            allowed,
            store,
            blobs,
            clock,
            entropy,
            tls: OnceCell::new(),
        }
    }

    /// Made by whoever needs it first; of two at once the one that is read back counts.
    async fn read_or_make(&self) -> Result<String> {
        let read = async || {
            let found = self.store.state(SPACE, SECRET_KEY, StateOp::Get).await?;
            Ok::<Option<String>, Error>(serde_json::from_str(&found).unwrap_or_default())
        };
        if let Some(secret) = read().await? {
            return Ok(secret);
        }
        let random: Vec<u8> = (0..2)
            .flat_map(|_| (self.entropy)().to_le_bytes())
            .collect();
        let secret = format!("{SECRET_PREFIX}{}", STANDARD.encode(random));
        let text = serde_json::Value::from(secret.as_str()).to_string();
        self.store
            .state(SPACE, SECRET_KEY, StateOp::Put(text))
            .await?;
        read()
            .await?
            .ok_or_else(|| Error::internal("the secret of webhooks was not kept"))
    }

    /// The host's addresses, every one of which may be connected to.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>> {
        let (host, port) = (
            url.host_str().unwrap_or(""),
            url.port_or_known_default().unwrap_or(443),
        );
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((name, port)).await;
        let found: Vec<SocketAddr> = found
            .map_err(|error| {
                Error::unavailable(format!("the host `{host}` is not known")).because(error)
            })?
            .collect();
        match found.iter().find(|address| !self.may_reach(address)) {
            Some(address) => Err(Error::denied(format!(
                "the host `{host}` is at {}, which is not a public address",
                address.ip()
            ))),
            None if found.is_empty() => Err(Error::unavailable(format!(
                "the host `{host}` has no address"
            ))),
            None => Ok(found),
        }
    }

    fn may_reach(&self, address: &SocketAddr) -> bool {
        address::is_public(address.ip()) || (self.allowed.loopback && address.ip().is_loopback())
    }
}

#[async_trait]
impl Post for Poster {
    fn check(&self, url: &str) -> Result<()> {
        parsed(url, &self.allowed).map(|_| ())
    }

    async fn send(&self, message: &Message, job: &Job) -> Result<u16> {
        let url = parsed(&message.url, &self.allowed)?;
        let sending = async {
            let body = body::of(message, job, &*self.store, &*self.blobs).await?;
            let body = body.to_string();
            let secret = self.secret().await?;
            let id = message_id(message);
            let seconds = self.clock.now().0 / 1_000;
            let signature = sign::signature(&secret, &id, seconds, &body)?;
            let tls = self.tls.get_or_try_init(async || wire::trust()).await?;
            let addresses = self.addresses(&url).await?;
            let headers = [
                ("webhook-id", id),
                ("webhook-timestamp", seconds.to_string()),
                ("webhook-signature", signature),
            ];
            wire::post(tls, &url, &addresses, &headers, body).await
        };
        match tokio::time::timeout(TOGETHER_MAX, sending).await {
            Ok(done) => done,
            Err(_) => Err(Error::timeout(format!(
                "nothing was answered within {} s",
                TOGETHER_MAX.as_secs()
            ))),
        }
    }

    /// Read each time: another front may have made it at the same moment, and only what is kept counts.
    async fn secret(&self) -> Result<String> {
        self.read_or_make().await
    }
}

/// The same when it comes again; what is told meanwhile is another message each time.
fn message_id(message: &Message) -> String {
    let id = format!("msg_{}_{}", message.job, message.event.name());
    match message.event.is_passing() {
        true => format!("{id}_{}", message.created_at.0),
        false => id,
    }
}

/// An address that messages may go to, as far as its text says.
fn parsed(url: &str, allowed: &Allowed) -> Result<Url> {
    let parsed = Url::parse(url)
        .map_err(|error| Error::invalid("the webhook is not an address").because(error))?;
    let host = parsed.host_str().unwrap_or_default().to_ascii_lowercase();
    let secure = parsed.scheme() == "https" || (allowed.loopback && parsed.scheme() == "http");
    if !secure || host.is_empty() || !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Error::invalid(
            "a webhook is an `https` address of a host, without a name or password",
        ));
    }
    if allowed.hosts.iter().any(|pattern| fits(pattern, &host)) {
        return Ok(parsed);
    }
    Err(
        Error::invalid(format!("webhooks may not go to the host `{host}`"))
            .hint("whoever runs this server allows hosts with the setting `webhook_hosts`"),
    )
}

fn fits(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|name| name.ends_with('.') && name.len() > 1),
        None => pattern == "*" || pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str], loopback: bool) -> Allowed {
        Allowed {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            loopback,
        }
    }

    #[test]
    fn only_allowed_hosts_over_tls() {
        let some = allowed(&["hooks.example.org", "*.example.com"], false);
        for (url, fine) in [
            ("https://hooks.example.org/a?b=c", true),
            ("https://HOOKS.example.org:8443/", true),
            ("https://a.b.example.com/", true),
            ("https://example.com/", false),
            ("https://evilexample.com/", false),
            ("https://hooks.example.org.evil.net/", false),
            ("https://hooks.example.org@evil.net/", false),
            ("https://me:pw@hooks.example.org/", false),
            ("http://hooks.example.org/", false),
            ("ftp://hooks.example.org/", false),
            ("file:///etc/passwd", false),
            ("https://127.0.0.1/", false),
            ("nonsense", false),
        ] {
            assert_eq!(parsed(url, &some).is_ok(), fine, "{url}");
        }
        assert!(parsed("http://127.0.0.1:9/", &allowed(&["127.0.0.1"], true)).is_ok());
        assert!(parsed("https://anything.net/", &allowed(&["*"], false)).is_ok());
        assert!(
            parsed("https://anything.net/", &allowed(&[], true)).is_err(),
            "off until allowed"
        );
    }

    #[tokio::test]
    async fn of_two_that_make_the_secret_the_one_that_is_kept_counts() {
        use onstage_backends::{blobs, clock, store};
        let store = store::open("memory:").await.unwrap();
        let poster = Poster::new(
            allowed(&[], false),
            store.clone(),
            blobs::memory(),
            Arc::new(clock::SystemClock::new()),
            Arc::new(clock::entropy),
        );
        let made = poster.secret().await.unwrap();
        assert_eq!(poster.secret().await.unwrap(), made);
        let other = StateOp::Put("\"whsec_b3RoZXI=\"".to_owned());
        store.state(SPACE, SECRET_KEY, other).await.unwrap();
        assert_eq!(poster.secret().await.unwrap(), "whsec_b3RoZXI=");
    }
}
