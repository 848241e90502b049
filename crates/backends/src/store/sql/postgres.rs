//! All that is special about PostgreSQL: how it is opened, what every connection is told, its lock for who makes the tables.
//! Must not know a table.

use super::{
    error::store_error,
    server::{LOCK_SECONDS_MAX, STANDSTILL_SECONDS_MAX, STATEMENT_MS_MAX, pool},
};
use onstage_core::Result;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, SqlxPostgresConnector, sqlx,
};
use sqlx::{Executor, postgres::PgConnectOptions};

pub(super) async fn connect(url: &str) -> Result<DatabaseConnection, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.application_name("onstage");
    let pool = pool().after_connect(|connection: &mut sqlx::PgConnection, _| {
        Box::pin(async move { connection.execute(told()).await.map(|_| ()) })
    });
    let pool = pool.connect_with(options).await?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// A compare-and-set needs READ COMMITTED: whoever waited for a row looks at it anew, and one that finds it changed gets no error but no row.
fn told() -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET statement_timeout = {STATEMENT_MS_MAX}; \
         SET lock_timeout = '{LOCK_SECONDS_MAX}s'; \
         SET idle_in_transaction_session_timeout = '{STANDSTILL_SECONDS_MAX}s'"
    ))
}

/// Held until the transaction ends; whoever comes second finds the tables made. It may take as long as the first one takes.
pub(super) async fn lock_for_tables(transaction: &DatabaseTransaction) -> Result<()> {
    for statement in [
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = 0",
        // Any number will do that nobody else takes: `onstage` in ASCII.
        "SELECT pg_advisory_xact_lock(31366114129569637)",
    ] {
        let done = transaction.execute_unprepared(statement).await;
        done.map_err(store_error)?;
    }
    Ok(())
}
