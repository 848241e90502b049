//! Which names this installation answers to, and whether a browser's request comes from its own page.
//! Pure: judges headers, knows no sessions.

use http::{HeaderMap, Method, header};
use std::net::IpAddr;

/// The allowed host names.
///
/// A page of another site that points its own name at this address (rebinding) sends that name; an address or `localhost` cannot be such a name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether a `Host` value, with or without a port, is one of ours.
    pub(crate) fn allow(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            // `::1` without brackets has no port.
            if name.contains(':') && !name.starts_with('[') {
                host
            } else {
                name
            }
        }
        _ => host,
    }
}

/// Whether a request that a browser authenticated by cookie may do what it asks.
/// `own` is the host under which the browser sees us. Programs that send a bearer token are not asked.
pub(crate) fn same_origin(method: &Method, headers: &HeaderMap, own: &str) -> bool {
    let site = text(headers, "sec-fetch-site");
    if is_safe(method) {
        // A foreign page may lead here (a link), but not read or stream from here.
        return match site {
            Some("cross-site" | "same-site") => {
                text(headers, "sec-fetch-mode").is_none_or(|mode| mode == "navigate")
            }
            _ => true,
        };
    }
    let origin = text(headers, header::ORIGIN.as_str());
    let origin_fits = origin.map(|origin| is_origin_of(origin, own));
    match (site, origin_fits) {
        (_, Some(false)) => false,
        (Some(site), _) => site == "same-origin",
        (None, Some(true)) => true,
        (None, None) => false,
    }
}

/// Whether `Origin`, when sent at all, is ours: for requests that carry no session yet.
pub(crate) fn not_foreign(headers: &HeaderMap, own: &str) -> bool {
    let site = text(headers, "sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin =
        text(headers, header::ORIGIN.as_str()).is_none_or(|origin| is_origin_of(origin, own));
    site && origin
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_origin_of(origin: &str, own: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .find_map(|scheme| origin.strip_prefix(scheme))
        .is_some_and(|host| host.eq_ignore_ascii_case(own))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_configured_names_are_ours_and_nothing_else() {
        let hosts = Hosts::new(&["Stage.Example".to_owned()]);
        for ours in [
            "127.0.0.1:8484",
            "127.0.0.1",
            "[::1]:8484",
            "[::1]",
            "localhost:1",
            "age.localhost",
            "stage.example",
            "STAGE.example:443",
        ] {
            assert!(hosts.allow(ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8484",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "stage.example.evil",
            "",
            "stage.example@evil",
        ] {
            assert!(!hosts.allow(foreign), "{foreign}");
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn a_change_needs_a_sign_of_our_own_page() {
        let own = "127.0.0.1:8484";
        for fits in [
            headers(&[("origin", "http://127.0.0.1:8484")]),
            headers(&[("sec-fetch-site", "same-origin")]),
            headers(&[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://127.0.0.1:8484"),
            ]),
        ] {
            assert!(same_origin(&Method::POST, &fits, own), "{fits:?}");
        }
        for foreign in [
            headers(&[]),
            headers(&[("origin", "null")]),
            headers(&[("origin", "http://127.0.0.1")]),
            headers(&[("origin", "http://127.0.0.1:84840")]),
            headers(&[("origin", "http://127.0.0.1:8484.evil.example")]),
            headers(&[("origin", "http://evil.example")]),
            headers(&[("sec-fetch-site", "same-site")]),
            headers(&[("sec-fetch-site", "cross-site")]),
            headers(&[("sec-fetch-site", "none")]),
            headers(&[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://evil.example"),
            ]),
        ] {
            assert!(!same_origin(&Method::POST, &foreign, own), "{foreign:?}");
            assert!(!same_origin(&Method::DELETE, &foreign, own), "{foreign:?}");
        }
    }

    #[test]
    fn a_foreign_page_may_link_here_but_not_read() {
        let own = "127.0.0.1:8484";
        let link = headers(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ]);
        let read = headers(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")]);
        assert!(same_origin(&Method::GET, &link, own));
        assert!(!same_origin(&Method::GET, &read, own));
    }
}
