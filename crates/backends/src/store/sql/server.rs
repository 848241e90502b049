//! Database servers by URL: which kind one is, how many connections a process has, what an error at opening means.
//! Must not know a table; what only one of them does is in `postgres` and `mysql`.

use super::{mysql, postgres};
use onstage_core::{Error, Kind, Result};
use sea_orm::{DatabaseConnection, sqlx};
use sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use std::time::Duration;

/// Connections of one process, opened as they are needed: a server with 100 of them carries a few fronts with their tasks.
const CONNECTIONS_MAX: u32 = 10;
/// How long one is waited for, when all are at work or the server does not answer.
pub(super) const ACQUIRE_MS_MAX: u64 = 4_000;
/// A connection that was idle so long is asked whether it still works before it is used.
const TRUSTED_MS_MAX: u64 = 1_000;
const IDLE_SECONDS_MAX: u64 = 120;
/// How long a statement may take, and how long it may wait for a lock.
pub(super) const STATEMENT_MS_MAX: u64 = super::CALL_MS_MAX;
pub(super) const LOCK_SECONDS_MAX: u64 = 5;
/// How long a transaction may stand still: a frozen process must not keep what others wait for.
pub(super) const STANDSTILL_SECONDS_MAX: u64 = 10;

/// Connections to the server that `url` names. Errors: invalid (the URL), unavailable, denied, not found (the database).
pub(super) async fn connect(url: &str) -> Result<DatabaseConnection> {
    let opened = match url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "postgres" | "postgresql" => postgres::connect(url).await,
        _ => mysql::connect(url).await,
    };
    opened.map_err(|error| cannot_open(url, &error))
}

/// Whether a URL is one of a database server.
pub(in crate::store) fn is_url(url: &str) -> bool {
    const SCHEMES: [&str; 4] = ["postgres://", "postgresql://", "mysql://", "mariadb://"];
    SCHEMES.iter().any(|scheme| url.starts_with(scheme))
}

/// What the pools of both kinds have in common.
pub(super) fn pool<D: sqlx::Database>() -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .min_connections(0)
        .acquire_timeout(Duration::from_millis(ACQUIRE_MS_MAX))
        .idle_timeout(Duration::from_secs(IDLE_SECONDS_MAX))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| Box::pin(still_works(connection, meta)))
}

async fn still_works<C: sqlx::Connection>(
    connection: &mut C,
    meta: PoolConnectionMetadata,
) -> std::result::Result<bool, sqlx::Error> {
    if meta.idle_for < Duration::from_millis(TRUSTED_MS_MAX) {
        return Ok(true);
    }
    connection.ping().await.map(|()| true)
}

fn cannot_open(url: &str, error: &sqlx::Error) -> Error {
    let what = format!(
        "store `{}` cannot be opened",
        super::super::without_secret(url)
    );
    let (kind, hint) = match error {
        sqlx::Error::Configuration(_) => (
            Kind::Invalid,
            "write it like `postgres://user:password@host/database` or `mysql://user:password@host/database`",
        ),
        error if is_of_tls(error) => (
            Kind::Denied,
            "does the certificate fit the host's name, and is its authority known (`sslrootcert=` or `ssl-ca=` in the URL)?",
        ),
        sqlx::Error::Database(said) => match said.code().as_deref() {
            Some("28P01" | "28000" | "42501") => {
                (Kind::Denied, "are the user and the password right?")
            }
            Some("3D000") | Some("42000") => (
                Kind::NotFound,
                "make the database first; Onstage makes its tables itself",
            ),
            _ => (Kind::Unavailable, "what does the server's log say?"),
        },
        _ => (
            Kind::Unavailable,
            "does the server run, and can it be reached from here?",
        ),
    };
    // Its text holds that of its causes.
    Error::new(kind, what).because(error.to_string()).hint(hint)
}

fn is_of_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        // What rustls refuses during the handshake.
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_opened_is_said_without_the_password() {
        for (url, kind) in [
            (
                "postgres://kim:geheim@127.0.0.1:1/onstage",
                Kind::Unavailable,
            ),
            ("mysql://kim:geheim@127.0.0.1:1/onstage", Kind::Unavailable),
            ("postgres://kim:geheim@[::1/onstage", Kind::Invalid),
            ("mysql://kim:geheim@host:port/onstage", Kind::Invalid),
            ("postgres://kim:geheim@host/db?sslmode=maybe", Kind::Invalid),
        ] {
            let error = connect(url).await.err().unwrap();
            assert_eq!(error.kind, kind, "{url}: {error}");
            assert!(!error.to_string().contains("geheim"), "{error}");
            assert!(error.hint.is_some());
        }
    }
}
