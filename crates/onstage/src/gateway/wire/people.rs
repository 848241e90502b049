//! Accounts and tokens as the wire has them. A token's secret is in one answer only: that of its making.
//! Does not fetch.

use super::{maybe_time, time};
use onstage_core::people::{Credential, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    pub(crate) r#type: &'static str,
    pub(crate) username: &'static str,
    pub(crate) name: String,
    #[schema(value_type = String)]
    pub(crate) role: Role,
    pub(crate) installation: Installation,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Installation {
    pub(crate) version: String,
    pub(crate) name: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    id: String,
    name: String,
    #[schema(value_type = String)]
    role: Role,
    created_at: String,
    last_used_at: Option<String>,
    expires_at: Option<String>,
    /// Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A link that opens an owner's session once; `&next=/m/lab/age` may be added to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginLink {
    pub(crate) url: String,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewToken {
    pub(crate) name: String,
    pub(crate) expires_in_s: Option<u64>,
    /// `owner` (when absent) or `stakeholder`.
    #[schema(value_type = Option<String>)]
    pub(crate) role: Option<Role>,
}

/// One of the two.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Login {
    pub(crate) password: Option<String>,
    /// From a one-time link.
    pub(crate) token: Option<String>,
}

pub(crate) fn token(credential: &Credential, secret: Option<String>) -> Token {
    Token {
        id: credential.id.to_string(),
        name: credential.name.clone(),
        role: credential.role,
        created_at: time(credential.created_at),
        last_used_at: maybe_time(credential.last_used_at),
        expires_at: maybe_time(credential.expires_at),
        token: secret,
    }
}
