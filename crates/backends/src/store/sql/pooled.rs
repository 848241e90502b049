//! Writes on a database server: each a transaction of its own, many at the same time, done again when the server undid it.
//! Must not know what is written.

use super::{
    dialect,
    error::store_error,
    presence::{self, Presence, Turn},
    work::Work,
};
use crate::clock;
use onstage_core::{Error, Kind, Result};
use sea_orm::{ConnAcquireErr, DatabaseConnection, DatabaseTransaction, DbErr};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a write is done before its caller is told; others have got through each time, so all of them get on.
const TRIES_MAX: u32 = 12;
/// The longest pause before the second try; it doubles with every further one.
const PAUSE_MS: u64 = 8;
const PAUSE_MS_MAX: u64 = 500;

/// Writes through the connections of a pool.
pub(super) struct Pooled {
    pool: DatabaseConnection,
    presence: Presence,
}

impl Pooled {
    pub(super) fn new(pool: DatabaseConnection, presence: Presence) -> Self {
        Self { pool, presence }
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Runs `work` in a transaction; its answer comes after the commit. A caller that goes away breaks nothing off half way.
    pub(super) async fn write<T: Send + 'static>(&self, work: Box<dyn Work<T>>) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let turn = Turn::default();
        let begins = Begins {
            pool: self.pool.clone(),
            presence: self.presence.clone(),
            turn: turn.clone(),
        };
        crate::spawn::spawn("store write", async move {
            let limit = Duration::from_millis(super::CALL_MS_MAX);
            let outcome = tokio::time::timeout(limit, write(begins, &*work)).await;
            // A failed send means that nobody waits any more.
            let _ = reply.send(outcome.unwrap_or_else(|_| Err(super::too_late())));
        });
        self.presence.answer(&turn, answer).await
    }
}

/// What a write begins with. It goes on without its caller, and so finds out that the server is back.
struct Begins {
    pool: DatabaseConnection,
    presence: Presence,
    turn: Turn,
}

impl Begins {
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let limit = Duration::from_millis(super::server::ACQUIRE_MS_MAX);
        let begun = tokio::time::timeout(limit, dialect::begin(&self.pool)).await;
        let begun = begun.unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)));
        self.presence.saw(dialect::answers(&begun));
        begun
    }
}

async fn write<T>(begins: Begins, work: &dyn Work<T>) -> Result<T> {
    let mut tried = 1;
    loop {
        match attempt(&begins, work).await {
            Attempt::Ended(outcome) => return outcome,
            Attempt::Undone(error) if tried >= TRIES_MAX => return Err(error),
            Attempt::Undone(error) => {
                tracing::debug!(%error, tried, "a write was undone by the database and is done again");
                tokio::time::sleep(pause(tried)).await;
                tried += 1;
            }
        }
    }
}

/// Any part of a doubling time, so that two which met do not meet again.
fn pause(tried: u32) -> Duration {
    let most = (PAUSE_MS << tried.min(16)).min(PAUSE_MS_MAX);
    let micros = u64::try_from(clock::entropy() % u128::from(most * 1_000)).unwrap_or(0);
    Duration::from_micros(micros)
}

enum Attempt<T> {
    Ended(Result<T>),
    /// Nothing of it was written: the work may be done again.
    Undone(Error),
}

async fn attempt<T>(begins: &Begins, work: &dyn Work<T>) -> Attempt<T> {
    let transaction = match begins.begin().await {
        Ok(transaction) => transaction,
        Err(error) if dialect::no_connection_is_free(&error) => {
            return Attempt::Ended(Err(store_error(error)));
        }
        Err(error) => return judged(store_error(error)),
    };
    if !begins.turn.begin() {
        return Attempt::Ended(Err(presence::is_away()));
    }
    let attempt = match work.run(&transaction).await {
        Ok(value) => commit(transaction, value).await,
        Err(error) => {
            if let Err(cause) = transaction.rollback().await {
                tracing::debug!(%cause, "the connection of a failed write is gone");
            }
            judged(error)
        }
    };
    if let Attempt::Undone(_) = attempt {
        begins.turn.undone();
    }
    attempt
}

/// A transaction that was not told to commit has written nothing, whatever became of its connection.
fn judged<T>(error: Error) -> Attempt<T> {
    match error.kind {
        Kind::Unavailable => Attempt::Undone(error),
        _ => Attempt::Ended(Err(error)),
    }
}

async fn commit<T>(transaction: DatabaseTransaction, value: T) -> Attempt<T> {
    match transaction.commit().await {
        Ok(()) => Attempt::Ended(Ok(value)),
        // The server said itself that it rolled back. After a cut connection nobody knows, and the caller has to look.
        Err(error) if dialect::was_rolled_back(&error) => Attempt::Undone(store_error(error)),
        Err(error) => Attempt::Ended(Err(store_error(error))),
    }
}
