//! `/v1/tokens`: list, make, revoke.
//! Does not show a token twice.

use crate::gateway::{
    auth, body,
    call::{self, Call, Paging},
    problem::{Answer, Problem},
    wire::{
        page,
        people::{NewToken, token},
    },
};
use http::StatusCode;
use onstage_core::people::{CredentialKind, Role};
use std::time::Duration;

const NAME_CHARS_MAX: usize = 100;

pub(crate) async fn list(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let listed = call
        .state
        .parts
        .store
        .credentials(CredentialKind::Token, paging.page()?)
        .await?;
    let next = page::link(&call, listed.next.as_ref());
    let results = listed.rows.iter().map(|row| token(row, None)).collect();
    page::answer(results, next)
}

pub(crate) async fn create(mut call: Call) -> Answer {
    let new: NewToken = body::json(&mut call).await?;
    if new.name.trim().is_empty() || new.name.chars().count() > NAME_CHARS_MAX {
        return Err(Problem::field(
            "/name",
            "a name of 1 to 100 characters",
            "none",
        ));
    }
    let life = new.expires_in_s.map(Duration::from_secs);
    let role = new.role.unwrap_or(Role::Owner);
    let parts = &call.state.parts;
    let (secret, credential) =
        auth::mint(parts, CredentialKind::Token, role, new.name.trim(), life).await?;
    call::json(StatusCode::CREATED, &token(&credential, Some(secret)))
}

pub(crate) async fn revoke(call: Call) -> Answer {
    auth::revoke(&call.state, &call.id()?).await?;
    Ok(call::no_content())
}
