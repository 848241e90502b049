//! `POST /v1/login`: the shared password or a one-time token becomes a session.
//! Does not say why it was refused.

use crate::gateway::{
    auth::{self, cookie, throttle::Verdict},
    body,
    call::{self, Call},
    hosts,
    problem::{Answer, Problem},
    router::foreign_origin,
    wire::people::Login,
};
use axum::response::Response;
use http::{StatusCode, header};
use onstage_core::people::{CredentialKind, Role};

pub(crate) async fn run(mut call: Call) -> Answer {
    if !hosts::not_foreign(&call.headers, call.own_host()) {
        return Err(foreign_origin());
    }
    let login: Login = body::small_json(&mut call).await?;
    let (role, name) = match (login.token, login.password) {
        (Some(token), _) => auth::take_link(&call.state, &token)
            .await?
            .ok_or_else(refused)?,
        (None, Some(password)) => by_password(&call, password).await?,
        (None, None) => {
            return Err(Problem::field(
                "/password",
                "given, or a one-time token",
                "missing",
            ));
        }
    };
    let mut response = call::no_content();
    open_session(&call, &mut response, role, &name).await?;
    Ok(response)
}

/// A new session for who has proved themselves, with its cookie.
pub(crate) async fn open_session(
    call: &Call,
    response: &mut Response,
    role: Role,
    name: &str,
) -> Result<(), Problem> {
    let life = Some(auth::SESSION_LIFE);
    let (secret, _) =
        auth::mint(&call.state.parts, CredentialKind::Session, role, name, life).await?;
    response
        .headers_mut()
        .append(header::SET_COOKIE, cookie::give(&secret, call.is_secure()));
    Ok(())
}

async fn by_password(call: &Call, attempt: String) -> Result<(Role, String), Problem> {
    let state = &call.state;
    let address = call.client_address();
    match state.throttle.judge(address, state.parts.clock.monotonic()) {
        Verdict::Go => {}
        Verdict::Wait(delay) => state.throttle.wait(delay).await,
        Verdict::Refuse(wait) => {
            return Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "There were too many wrong passwords; wait a little.",
            )
            .retry_after(wait));
        }
    }
    // Booked before the answer is known: attempts that come at once must not all be judged as the first.
    state
        .throttle
        .failed(address, state.parts.clock.monotonic());
    let right = match &state.password {
        Some(password) => password.check(attempt).await?,
        None => false,
    };
    if right {
        state.throttle.succeeded(address);
        return Ok((Role::Stakeholder, "stakeholder".to_owned()));
    }
    tracing::info!(%address, "a login was refused");
    Err(refused())
}

fn refused() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "login_refused",
        "That did not let you in: the password is wrong, or the link was used or is too old.",
    )
    .hint("ask who gave you the password; the owner gets a new link with `onstage open`")
}
