//! Who may do what: roles, principals and the credentials that prove them.
//! Never holds a secret, only its SHA-256.

use crate::{Id, Timestamp};
use serde::{Deserialize, Serialize};

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Uses models, gives feedback.
    Stakeholder,
    /// The scientist: everything.
    Owner,
}

/// What kind of secret a credential stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A bearer token for programs.
    Token,
    /// A browser's cookie.
    Session,
    /// A one-time login link.
    LoginLink,
}

/// A proof of identity as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub id: Id,
    pub kind: CredentialKind,
    /// SHA-256 of the secret, lower-case hex: a fast hash is right for secrets of full entropy.
    pub secret_sha256: String,
    pub role: Role,
    /// A token's name, or who a session belongs to.
    pub name: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The credential's id.
    pub id: Id,
    pub role: Role,
    pub name: String,
}
