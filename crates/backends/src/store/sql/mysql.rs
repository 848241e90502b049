//! All that is special about MySQL and MariaDB: how they are opened, what every connection is told, their errors by number,
//! their collations, and their way to make tables, which no transaction can undo.
//! Must not know a table.

use super::{
    error::{cause_of, store_error},
    server::{LOCK_SECONDS_MAX, STANDSTILL_SECONDS_MAX, STATEMENT_MS_MAX, pool},
};
use onstage_core::{Error, Kind, Result};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqlxMySqlConnector,
    Statement,
    sea_query::{MysqlQueryBuilder, TableCreateStatement},
    sqlx,
};
use sqlx::{
    Executor,
    mysql::{MySqlConnectOptions, MySqlDatabaseError},
};

/// How long the one that makes the tables is waited for.
const TABLES_SECONDS_MAX: u64 = 600;
/// Ends a select that keeps its rows from being removed, as MariaDB writes it too.
pub(super) const HOLD: &str = " LOCK IN SHARE MODE";
/// As the tables' statements name it; see `create`.
const PADDING: &str = "COLLATE=utf8mb4_bin";

pub(super) async fn connect(url: &str) -> Result<DatabaseConnection, sqlx::Error> {
    let options: MySqlConnectOptions = url.parse()?;
    let pool = pool().after_connect(|connection: &mut sqlx::MySqlConnection, _| {
        Box::pin(async move {
            connection.execute(told()).await?;
            let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
            connection.execute(isolation).await.map(|_| ())
        })
    });
    let pool = pool.connect_with(options).await?;
    Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool))
}

/// Text that is too long is an error, never cut. What stands in `/*M! */` only MariaDB reads.
fn told() -> sqlx::AssertSqlSafe<String> {
    let statement_seconds = STATEMENT_MS_MAX.div_ceil(1_000);
    sqlx::AssertSqlSafe(format!(
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
         SESSION innodb_lock_wait_timeout = {LOCK_SECONDS_MAX} \
         /*M!100300 , SESSION idle_transaction_timeout = {STANDSTILL_SECONDS_MAX}, \
         SESSION max_statement_time = {statement_seconds} */"
    ))
}

/// Waits for whoever makes the tables at this moment. Held by the connection, since making a table commits.
pub(super) async fn lock_for_tables(transaction: &DatabaseTransaction) -> Result<()> {
    let patient =
        "SET SESSION innodb_lock_wait_timeout = 600 /*M!100300 , SESSION max_statement_time = 0 */";
    let done = transaction.execute_unprepared(patient).await;
    done.map_err(store_error)?;
    let lock = format!("SELECT GET_LOCK(CONCAT('onstage ', DATABASE()), {TABLES_SECONDS_MAX})");
    match number(transaction, lock).await? {
        Some(1) => Ok(()),
        _ => Err(Error::unavailable(
            "another process makes the store's tables and does not come to an end",
        )),
    }
}

pub(super) async fn unlock_for_tables(transaction: &DatabaseTransaction) -> Result<()> {
    let unlock = "SELECT RELEASE_LOCK(CONCAT('onstage ', DATABASE()))".to_owned();
    number(transaction, unlock).await.map(|_| ())
}

async fn number(connection: &impl ConnectionTrait, ask: String) -> Result<Option<i64>> {
    let ask = Statement::from_string(DbBackend::MySql, ask);
    let row = connection.query_one_raw(ask).await.map_err(store_error)?;
    let row = row.ok_or_else(|| Error::internal("the database answered nothing"))?;
    row.try_get_by_index(0).map_err(store_error)
}

/// A collation by bytes that tells `a` from `a `. `utf8mb4_bin` does not, and each of the two has another name for one that does.
pub(super) async fn collation(connection: &impl ConnectionTrait) -> Result<&'static str> {
    let ask = Statement::from_string(DbBackend::MySql, "SELECT VERSION()");
    let row = connection.query_one_raw(ask).await.map_err(store_error)?;
    let row = row.ok_or_else(|| Error::internal("the database did not say its version"))?;
    let version: String = row.try_get_by_index(0).map_err(store_error)?;
    Ok(match version.contains("MariaDB") {
        true => "COLLATE=utf8mb4_nopad_bin",
        false => "COLLATE=utf8mb4_0900_bin",
    })
}

/// A table's statement in the words of this server.
pub(super) fn create(table: &TableCreateStatement, collation: &str) -> String {
    table
        .to_string(MysqlQueryBuilder)
        .replace(PADDING, collation)
}

/// A step that was broken off half way is done again: what it had made is there.
pub(super) fn is_there_already(error: &DbErr) -> bool {
    const TABLE: u16 = 1050;
    const COLUMN: u16 = 1060;
    const INDEX: u16 = 1061;
    let number = match cause_of(error) {
        Some(sqlx::Error::Database(error)) => error
            .try_downcast_ref::<MySqlDatabaseError>()
            .map(MySqlDatabaseError::number),
        _ => None,
    };
    matches!(number, Some(TABLE | COLUMN | INDEX))
}

/// What an error's number means to a caller, where its SQLSTATE says too little.
pub(super) fn kind_of_number(number: u16) -> Option<Kind> {
    match number {
        // No space on the disk; a table or the disk is full.
        1021 | 1114 => Some(Kind::Full),
        // Too many connections; a lock was waited for too long; a deadlock; read-only, also while another server takes over; a
        // statement took too long; too many transactions; the server stops; the row was changed meanwhile.
        1040 | 1205 | 1213 | 1290 | 1317 | 1836 | 1969 | 3024 | 1637 | 1053 | 1020 | 1927 => {
            Some(Kind::Unavailable)
        }
        _ => None,
    }
}

/// The server stops, or somebody killed the connection.
pub(super) fn ends_connection(number: u16) -> bool {
    matches!(number, 1053 | 1927)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_what_a_caller_can_do() {
        for (number, kind) in [
            (1213, Some(Kind::Unavailable)),
            (1205, Some(Kind::Unavailable)),
            (1114, Some(Kind::Full)),
            (1064, None),
        ] {
            assert_eq!(kind_of_number(number), kind, "{number}");
        }
    }
}
