//! What the database's errors mean to a caller.
//! Must not leak a driver's type any further.

use super::dialect;
use onstage_core::{Error, Kind};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, sqlx};

/// The error that crosses the port.
pub(super) fn store_error(error: DbErr) -> Error {
    let kind = kind_of(&error);
    let text = match kind {
        Kind::Full => "the store has no room left",
        Kind::Unavailable => "the store does not answer",
        Kind::Conflict => "the store has such a record already",
        _ => "the store failed",
    };
    let said = Error::new(kind, text).because(error);
    match kind {
        Kind::Full => said.hint("free some disk space; nothing that was saved is lost"),
        Kind::Unavailable => said.hint("it is safe to try again"),
        _ => said,
    }
}

/// An error that ends the transaction it happened in, not only its statement.
pub(super) fn ends_transaction(error: &Error) -> bool {
    matches!(error.kind, Kind::Full | Kind::Unavailable)
}

pub(super) fn kind_of(error: &DbErr) -> Kind {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) => {
            Kind::Unavailable
        }
        error => cause_of(error).map_or(Kind::Internal, kind_of_cause),
    }
}

/// What the driver said.
pub(super) fn cause_of(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}

fn kind_of_cause(cause: &sqlx::Error) -> Kind {
    match cause {
        sqlx::Error::Database(error) if error.is_unique_violation() => Kind::Conflict,
        sqlx::Error::Database(error) => dialect::kind_of(&**error),
        sqlx::Error::Io(error) => crate::durable::kind_of_own(error.kind()),
        // A server that goes away in the middle of a word leaves half a message.
        sqlx::Error::Protocol(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// The same error for one more who waited for the same write; what caused it is told once.
pub(super) fn copy_of(error: &Error) -> Error {
    let mut copy = Error::new(error.kind, error.to_string());
    copy.hint.clone_from(&error.hint);
    copy
}
