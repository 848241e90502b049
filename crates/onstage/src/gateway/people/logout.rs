//! `POST /v1/logout`: the session ends here and in the store.
//! Does not revoke tokens: a program that logs out keeps its own.

use crate::gateway::{
    auth::{self, cookie},
    call::{self, Call},
    problem::Answer,
};
use http::header;
use onstage_core::Kind;

pub(crate) async fn run(call: Call) -> Answer {
    let by_cookie = call.who.as_ref().is_some_and(|who| who.by_cookie);
    if by_cookie {
        match auth::revoke(&call.state, &call.principal()?.id).await {
            Ok(()) => {}
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = call::no_content();
    response
        .headers_mut()
        .append(header::SET_COOKIE, cookie::take_away());
    Ok(response)
}
