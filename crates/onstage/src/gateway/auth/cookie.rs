//! The session cookie: how it is written and found.
//! Does not know what a session is worth.

use super::SESSION_LIFE;
use http::{HeaderMap, HeaderValue, header};

const NAME: &str = "onstage_session";

/// The session's secret, when the browser sent one.
pub(crate) fn read(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == NAME)
        .map(|(_, value)| value)
}

/// The header that gives the browser its session.
pub(crate) fn give(secret: &str, secure: bool) -> HeaderValue {
    let life_s = SESSION_LIFE.as_secs();
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{NAME}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={life_s}{secure}");
    HeaderValue::from_str(&text).expect("a session's secret is ASCII")
}

/// The header that takes it away.
pub(crate) fn take_away() -> HeaderValue {
    HeaderValue::from_static("onstage_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=b; onstage_session=oss_1; c=d"),
        );
        assert_eq!(read(&headers), Some("oss_1"));
        headers.clear();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("xonstage_session=oss_1"),
        );
        assert_eq!(read(&headers), None);
    }

    #[test]
    fn the_cookie_is_closed_to_scripts_and_other_sites() {
        let value = give("oss_1", true);
        let text = value.to_str().unwrap();
        for part in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
