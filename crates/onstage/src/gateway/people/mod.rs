//! People: login, logout, who one is, tokens.
//! Does not check passwords itself; `auth` does.

mod account;
mod login;
mod login_link;
mod logout;
mod tokens;

use super::table::{
    Gives::{Json, Media, Nothing, Page},
    PAGING, Route, Takes, route,
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(POST "/v1/login", Public, "Opens a session with the shared password or a one-time token", login::run)
            .takes(Takes::Json("Login"))
            .gives(204, Nothing)
            .errors(&[400, 415, 422, 429]),
        route!(GET "/login", Public, "The login page, or with a one-time token the way in", login_link::run)
            .query(&[
                ("token", "of a one-time link"),
                ("next", "the page to go to, a path of this server"),
            ])
            .gives(200, Media("text/html"))
            .gives(303, Nothing),
        route!(POST "/v1/logout", Stakeholder, "Ends the session", logout::run).gives(204, Nothing),
        route!(GET "/v1/account", Stakeholder, "Who one is", account::run)
            .gives(200, Json("Account")),
        route!(POST "/v1/login-links", Owner, "Makes a link that logs its owner in once", login_link::create)
            .gives(201, Json("LoginLink")),
        route!(GET "/v1/tokens", Owner, "Lists tokens", tokens::list)
            .query(PAGING)
            .gives(200, Page("Token")),
        route!(POST "/v1/tokens", Owner, "Makes a token; it is shown once", tokens::create)
            .takes(Takes::Json("NewToken"))
            .gives(201, Json("Token"))
            .errors(&[400, 415, 422]),
        route!(DELETE "/v1/tokens/{id}", Owner, "Revokes a token", tokens::revoke)
            .gives(204, Nothing)
            .errors(&[404]),
    ]
}
