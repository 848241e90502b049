//! `GET /v1/account`.
//! Does not change anything.

use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    wire::people::{Account, Installation},
};
use http::StatusCode;
use onstage_core::people::Role;

pub(crate) async fn run(call: Call) -> Answer {
    let principal = call.principal()?;
    let account = Account {
        r#type: "user",
        username: match principal.role {
            Role::Owner => "owner",
            Role::Stakeholder => "stakeholder",
        },
        name: principal.name.clone(),
        role: principal.role,
        installation: Installation {
            version: call.state.settings.version.clone(),
            name: call.state.settings.name.clone(),
        },
    };
    call::json(StatusCode::OK, &account)
}
