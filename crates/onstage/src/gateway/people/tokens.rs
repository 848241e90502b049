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
/// A hundred years.
const LIFE_S_MAX: u64 = 100 * 366 * 24 * 3600;

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
    let chars = new.name.trim().chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) {
        return Err(Problem::field(
            "/name",
            "a name of 1 to 100 characters",
            format!("{chars}"),
        ));
    }
    if let Some(seconds) = new.expires_in_s
        && !(1..=LIFE_S_MAX).contains(&seconds)
    {
        return Err(Problem::field(
            "/expires_in_s",
            "1 second to 100 years",
            seconds.to_string(),
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
