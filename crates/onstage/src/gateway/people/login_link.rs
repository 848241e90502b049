//! One-time links: `POST /v1/login-links` makes one, `GET /login?token=…` is one; without a token, the login page.
//! Does not check passwords.

use super::login::open_session;
use crate::gateway::{
    auth,
    call::{self, Call, set},
    page,
    problem::Answer,
    wire::people::LoginLink,
};
use http::{Method, StatusCode, header};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    token: Option<String>,
    next: Option<String>,
}

pub(crate) async fn create(call: Call) -> Answer {
    let path = auth::login_path(&call.state.parts).await?;
    let link = LoginLink {
        url: call.link(&path),
    };
    call::json(StatusCode::CREATED, &link)
}

/// Only a plain path of our own may be gone to: a link must not lead people elsewhere.
fn own_page(next: Option<&str>) -> &str {
    let plain = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_'))
    };
    next.filter(plain).unwrap_or("/")
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let Some(token) = query.token else {
        return Ok(page::index(&call));
    };
    // Programs that preview links ask for the head only; the link must survive them.
    if call.method == Method::HEAD {
        return Ok(page::index(&call));
    }
    let taken = auth::take_link(&call.state, &token).await?;
    let target = if taken.is_some() {
        own_page(query.next.as_deref())
    } else {
        "/login?expired=1"
    };
    let mut response = call::no_content();
    *response.status_mut() = StatusCode::SEE_OTHER;
    set(&mut response, header::LOCATION, &call.link(target));
    if let Some((role, name)) = taken {
        open_session(&call, &mut response, role, &name).await?;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::own_page;

    #[test]
    fn a_link_leads_nowhere_else() {
        assert_eq!(own_page(Some("/m/lab/fish-age")), "/m/lab/fish-age");
        for next in [
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "m",
            "/a?b",
            "",
        ] {
            assert_eq!(own_page(Some(next)), "/", "{next}");
        }
        assert_eq!(own_page(None), "/");
    }
}
