//! Who is asking: bearer tokens, browser sessions, one-time links, and how each is made and ended.
//! Does not know what a route does; the table says who may.

pub(crate) mod cache;
pub(crate) mod cookie;
pub(crate) mod password;
pub(crate) mod secret;
pub(crate) mod throttle;

use super::{hex, problem::Problem, state::State};
use cache::Seen;
use http::{HeaderMap, header};
use onstage_core::{
    Id, Result, Timestamp,
    people::{Credential, CredentialKind, Principal, Role},
    ports::Page,
};
use onstage_engine::{Parts, spawn::spawn};
use std::{sync::Arc, time::Duration};

/// A session ends after this long without a request.
const SESSION_IDLE: Duration = Duration::from_secs(12 * 3600);
/// A session ends after this long, whatever happens.
pub(crate) const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// A login link works this long.
const LINK_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How exactly the last use of a credential is known.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// How long a request waits for the store to confirm a credential that it has confirmed before.
const ASK_MAX: Duration = Duration::from_millis(250);

/// What the names of tokens begin with that a server makes at its start for its machine's user, and forgets at its end.
pub(crate) const LOCAL_TOKEN: &str = "this machine (";
/// Tokens read at a time.
const TOKENS_PAGE: u32 = 200;

/// Who is asking, and by what.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) principal: Principal,
    /// By cookie: then the request's origin is asked for too.
    pub(crate) by_cookie: bool,
}

/// Makes a credential and stores its hash; the secret is answered once.
pub(crate) async fn mint(
    parts: &Parts,
    kind: CredentialKind,
    role: Role,
    name: &str,
    life: Option<Duration>,
) -> Result<(String, Credential)> {
    let secret = secret::make(kind, &|| (parts.entropy)());
    let now = parts.clock.now();
    let credential = Credential {
        id: parts.new_id(),
        kind,
        secret_sha256: hex(&secret::digest(&secret)),
        role,
        name: name.to_owned(),
        created_at: now,
        expires_at: life.map(|life| now.plus(life)),
        last_used_at: None,
    };
    parts.store.add_credential(credential.clone()).await?;
    Ok((secret, credential))
}

/// The path of a one-time login link for the owner: `/login?token=…`.
pub(crate) async fn login_path(parts: &Parts) -> Result<String> {
    let (secret, _) = mint(
        parts,
        CredentialKind::LoginLink,
        Role::Owner,
        "owner",
        Some(LINK_LIFE),
    )
    .await?;
    Ok(format!("/login?token={secret}"))
}

/// Trades a one-time link's secret for who may come in; of two callers one gets it.
pub(crate) async fn take_link(state: &State, link: &str) -> Result<Option<(Role, String)>> {
    if !secret::is_well_formed(CredentialKind::LoginLink, link) {
        return Ok(None);
    }
    let store = &state.parts.store;
    let taken = store.take_credential(&hex(&secret::digest(link))).await?;
    Ok(taken
        .filter(|credential| credential.kind == CredentialKind::LoginLink)
        .filter(|credential| is_current(credential, state.parts.clock.now()))
        .map(|credential| (credential.role, credential.name)))
}

/// Who sent a request with these headers; `None` when nothing valid came along.
pub(crate) async fn who(state: &State, headers: &HeaderMap) -> Result<Option<Who>, Problem> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| bearer(value.as_bytes()));
    // Another scheme is a proxy's own; the session is in the cookie then.
    let (kind, text) = if let Some(token) = bearer {
        (CredentialKind::Token, token)
    } else if let Some(session) = cookie::read(headers) {
        (CredentialKind::Session, session)
    } else {
        return Ok(None);
    };
    if !secret::is_well_formed(kind, text) {
        return Ok(None);
    }
    let credential = credential(state, secret::digest(text)).await?;
    let now = state.parts.clock.now();
    Ok(credential
        .filter(|credential| credential.kind == kind && is_current(credential, now))
        .map(|credential| Who {
            principal: Principal {
                id: credential.id.clone(),
                role: credential.role,
                name: credential.name.clone(),
            },
            by_cookie: kind == CredentialKind::Session,
        }))
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    std::str::from_utf8(token).ok().map(str::trim)
}

async fn credential(state: &State, digest: [u8; 32]) -> Result<Option<Arc<Credential>>> {
    let known = match state
        .credentials
        .get(&digest, state.parts.clock.monotonic())
    {
        Seen::Lately(found) => return Ok(found),
        Seen::Never => return read(state, digest).await,
        Seen::Before(known) => known,
    };
    // Of its own, so that an answer that comes later counts from then on.
    let asking = state.clone();
    let asked = spawn(
        "credential read",
        async move { read(&asking, digest).await },
    );
    match tokio::time::timeout(ASK_MAX, asked).await {
        Ok(Ok(Some(Err(error)))) if !error.kind.retryable() => Err(error),
        Ok(Ok(Some(Ok(found)))) => Ok(found),
        _ => Ok(Some(known)),
    }
}

/// What the store says.
async fn read(state: &State, digest: [u8; 32]) -> Result<Option<Arc<Credential>>> {
    let (now, era) = (state.parts.clock.monotonic(), state.credentials.era());
    let found = state.parts.store.credential(&hex(&digest)).await?;
    let found = found.map(Arc::new);
    if let Some(credential) = &found {
        touch(state, credential);
    }
    state.credentials.put(digest, found.clone(), now, era);
    Ok(found)
}

/// Notes the last use, off the request's path.
fn touch(state: &State, credential: &Credential) {
    let now = state.parts.clock.now();
    let fresh = credential
        .last_used_at
        .is_some_and(|at| now.since(at) < TOUCH_EVERY);
    if fresh || !is_current(credential, now) || credential.kind == CredentialKind::LoginLink {
        return;
    }
    let (store, id) = (Arc::clone(&state.parts.store), credential.id.clone());
    spawn("credential touch", async move {
        if let Err(error) = store.touch_credential(&id, now).await {
            tracing::debug!(%error, "the last use of a credential was not noted");
        }
    });
}

fn is_current(credential: &Credential, now: Timestamp) -> bool {
    let expired = credential.expires_at.is_some_and(|at| at <= now);
    let idle = credential.kind == CredentialKind::Session
        && now.since(credential.last_used_at.unwrap_or(credential.created_at)) >= SESSION_IDLE;
    !expired && !idle
}

/// Whose a token is now; none when it was removed or has ended.
pub(crate) async fn token_of(state: &State, id: &Id) -> Result<Option<Principal>> {
    let now = state.parts.clock.now();
    let mut page = Page {
        after: None,
        limit: TOKENS_PAGE,
    };
    loop {
        let store = &state.parts.store;
        let listed = store.credentials(CredentialKind::Token, page).await?;
        let found = listed.rows.into_iter().find(|token| token.id == *id);
        if found.is_some() || listed.next.is_none() {
            return Ok(found
                .filter(|token| is_current(token, now))
                .map(|token| Principal {
                    id: token.id,
                    role: token.role,
                    name: token.name,
                }));
        }
        page = Page {
            after: listed.next,
            limit: TOKENS_PAGE,
        };
    }
}

/// Ends a credential here and in the store at once.
pub(crate) async fn revoke(state: &State, id: &Id) -> Result<()> {
    let removed = state.parts.store.remove_credential(id).await;
    state.credentials.clear();
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(last_used_at: Option<i64>) -> Credential {
        Credential {
            id: "session-1".parse().unwrap(),
            kind: CredentialKind::Session,
            secret_sha256: String::new(),
            role: Role::Stakeholder,
            name: "stakeholder".to_owned(),
            created_at: Timestamp(0),
            expires_at: Some(Timestamp(0).plus(SESSION_LIFE)),
            last_used_at: last_used_at.map(Timestamp),
        }
    }

    #[test]
    fn sessions_end_by_idleness_and_by_age() {
        let hour = 3_600_000;
        assert!(is_current(&session(None), Timestamp(11 * hour)));
        assert!(!is_current(&session(None), Timestamp(12 * hour)));
        assert!(is_current(&session(Some(10 * hour)), Timestamp(21 * hour)));
        assert!(!is_current(
            &session(Some(167 * hour)),
            Timestamp(168 * hour)
        ));
    }

    #[test]
    fn only_bearer_is_a_bearer() {
        assert_eq!(bearer(b"Bearer os_1"), Some("os_1"));
        assert_eq!(bearer(b"bearer  os_1 "), Some("os_1"));
        assert_eq!(bearer(b"Basic b3duZXI6"), None);
        assert_eq!(bearer(b"B"), None);
    }
}
