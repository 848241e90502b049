//! What the databases do differently: how a write begins, how a row is inserted once, how tables are made by one process only,
//! what their error codes mean.
//! Must not know a table; what only one of them has is in `sqlite`, `postgres` and `mysql`.

use super::{
    error::{cause_of, store_error},
    mysql, postgres, sqlite,
};
use onstage_core::{Kind, Result};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    ExecResult, QueryResult, TransactionTrait,
    sea_query::{
        IndexCreateStatement, InsertStatement, LockBehavior, LockType, OnConflict, SelectStatement,
        TableAlterStatement, TableCreateStatement,
    },
    sqlx,
};

/// Begins a transaction that writes.
pub(super) async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    match connection.get_database_backend() {
        DbBackend::Sqlite => sqlite::begin(connection).await,
        _ => connection.begin().await,
    }
}

/// What an idle writer does; database servers look after their logs themselves.
pub(super) async fn tidy_up(connection: &DatabaseConnection) -> Result<(), DbErr> {
    match connection.get_database_backend() {
        DbBackend::Sqlite => sqlite::checkpoint(connection).await,
        _ => Ok(()),
    }
}

/// Keeps other processes from making tables until the transaction has ended.
pub(super) async fn lock_for_tables(transaction: &DatabaseTransaction) -> Result<()> {
    match transaction.get_database_backend() {
        DbBackend::Postgres => postgres::lock_for_tables(transaction).await,
        DbBackend::MySql => mysql::lock_for_tables(transaction).await,
        // Its transactions that write exclude each other.
        _ => Ok(()),
    }
}

pub(super) async fn unlock_for_tables(transaction: &DatabaseTransaction) -> Result<()> {
    match transaction.get_database_backend() {
        DbBackend::MySql => mysql::unlock_for_tables(transaction).await,
        _ => Ok(()),
    }
}

/// Makes tables and their indexes, of which MySQL may have some from a time that was broken off.
pub(super) async fn make_tables(
    transaction: &DatabaseTransaction,
    tables: &[TableCreateStatement],
    changes: &[TableAlterStatement],
    indexes: &[IndexCreateStatement],
) -> Result<()> {
    let backend = transaction.get_database_backend();
    let there_already =
        |error: &DbErr| backend == DbBackend::MySql && mysql::is_there_already(error);
    let check = |made: Result<ExecResult, DbErr>| match made {
        Err(error) if !there_already(&error) => Err(store_error(error)),
        _ => Ok(()),
    };
    let collation = match backend {
        DbBackend::MySql => Some(mysql::collation(transaction).await?),
        _ => None,
    };
    for table in tables {
        check(match collation {
            Some(collation) => {
                let table = mysql::create(table, collation);
                transaction.execute_unprepared(&table).await
            }
            None => transaction.execute(table).await,
        })?;
    }
    for change in changes {
        check(transaction.execute(change).await)?;
    }
    for index in indexes {
        check(transaction.execute(index).await)?;
    }
    Ok(())
}

/// Locks the rows that are found until the transaction ends and leaves out those that others have locked: two that claim at the
/// same time find different ones. SQLite, where only one writes, leaves the clause out.
pub(super) fn pass_over_locked(mut select: SelectStatement) -> SelectStatement {
    select
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .take()
}

/// Keeps the rows that are found from being removed until the transaction ends; others may do the same at the same time. SQLite, where
/// only one writes, needs no lock.
pub(super) async fn hold(
    transaction: &DatabaseTransaction,
    mut select: SelectStatement,
) -> Result<Vec<QueryResult>> {
    let backend = transaction.get_database_backend();
    let rows = match backend {
        DbBackend::Postgres => transaction.query_all(select.lock(LockType::KeyShare)).await,
        DbBackend::MySql => {
            let mut statement = backend.build(&select);
            statement.sql.push_str(mysql::HOLD);
            transaction.query_all_raw(statement).await
        }
        _ => transaction.query_all(&select).await,
    };
    rows.map_err(store_error)
}

/// Inserts a row unless one with the same key is there; false when it is.
pub(super) async fn insert_once(
    transaction: &DatabaseTransaction,
    insert: InsertStatement,
    key: &[&'static str],
) -> Result<bool> {
    insert_new(transaction, insert, key, 1).await
}

/// Inserts rows whose keys are new; false when one is not, and then the transaction has some of them.
pub(super) async fn insert_new(
    transaction: &DatabaseTransaction,
    insert: InsertStatement,
    key: &[&'static str],
    rows: usize,
) -> Result<bool> {
    let backend = transaction.get_database_backend();
    let insert = once(backend, insert, key);
    match transaction.execute(&insert).await.map_err(store_error) {
        Ok(result) => Ok(result.rows_affected() == rows as u64),
        Err(error) if backend == DbBackend::MySql && error.kind == Kind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// MySQL has no word for it that does not also hide other errors or count a kept row as written; there a refused insert undoes
/// nothing but itself, so the refusal is the answer. Elsewhere it would end the transaction.
fn once(backend: DbBackend, mut insert: InsertStatement, key: &[&'static str]) -> InsertStatement {
    if backend != DbBackend::MySql {
        let keep = OnConflict::columns(key.iter().copied())
            .do_nothing()
            .to_owned();
        insert.on_conflict(keep);
    }
    insert
}

/// The type that a sum of numbers is cast to, which is a decimal otherwise in the larger databases.
pub(super) fn whole_number(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::MySql => "signed",
        _ => "bigint",
    }
}

/// What an error of the database means to a caller, unique keys apart.
pub(super) fn kind_of(error: &dyn sqlx::error::DatabaseError) -> Kind {
    let numbered = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    if let Some(kind) = numbered.and_then(|error| mysql::kind_of_number(error.number())) {
        return kind;
    }
    let Some(code) = error.code() else {
        return Kind::Internal;
    };
    match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        Some(_) => code.parse().map_or(Kind::Internal, sqlite::kind_of_code),
        None => kind_of_sqlstate(&code),
    }
}

/// All connections were at work for as long as one is waited for, or none could be made: trying again at once would only add to it.
pub(super) fn no_connection_is_free(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
        || matches!(cause_of(error), Some(sqlx::Error::PoolTimedOut))
}

/// Whether a server was there, whatever it said.
pub(super) fn answers<T>(outcome: &Result<T, DbErr>) -> bool {
    let away = |error| no_connection_is_free(error) || connection_broke(error);
    !outcome.as_ref().is_err_and(away)
}

/// Whether it was the connection that failed and not what was asked.
pub(super) fn connection_broke(error: &DbErr) -> bool {
    match cause_of(error) {
        Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)) => true,
        // The server's last word before it cuts the connection: it stops, or an operator told it to.
        Some(sqlx::Error::Database(said)) => {
            let numbered = said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
            numbered.is_some_and(|said| mysql::ends_connection(said.number()))
                || said
                    .code()
                    .is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
        }
        _ => false,
    }
}

/// Whether the server itself said that it undid the transaction: a deadlock, or a conflict of two.
pub(super) fn was_rolled_back(error: &DbErr) -> bool {
    let code = match cause_of(error) {
        Some(sqlx::Error::Database(error)) => error.code(),
        _ => None,
    };
    code.is_some_and(|code| code.starts_with("40"))
}

/// By the class of the SQLSTATE, the same for PostgreSQL and MySQL.
fn kind_of_sqlstate(state: &str) -> Kind {
    const DISK_FULL: &str = "53100";
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    const READ_ONLY: &str = "25006";
    match (state, state.get(..2)) {
        (DISK_FULL, _) => Kind::Full,
        (LOCK_NOT_AVAILABLE | READ_ONLY, _) => Kind::Unavailable,
        // No connection; rolled back for others; no resources; stopped by an operator; the system's own disk.
        (_, Some("08" | "40" | "53" | "57" | "58")) => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, Query, SqliteQueryBuilder};

    fn insert(backend: DbBackend) -> InsertStatement {
        let insert = Query::insert()
            .into_table("chunks")
            .columns(["job", "chunk"])
            .values_panic(["a".into(), 1_i64.into()])
            .take();
        once(backend, insert, &["job", "chunk"])
    }

    #[test]
    fn a_row_is_inserted_once_in_every_dialect() {
        let keeps = r#"INSERT INTO "chunks" ("job", "chunk") VALUES ('a', 1) ON CONFLICT ("job", "chunk") DO NOTHING"#;
        let sqlite = insert(DbBackend::Sqlite).to_string(SqliteQueryBuilder);
        assert_eq!(sqlite, keeps);
        let postgres = insert(DbBackend::Postgres).to_string(PostgresQueryBuilder);
        assert_eq!(postgres, keeps);
        assert_eq!(
            insert(DbBackend::MySql).to_string(MysqlQueryBuilder),
            "INSERT INTO `chunks` (`job`, `chunk`) VALUES ('a', 1)"
        );
    }

    #[test]
    fn sqlstates_are_not_taken_for_codes_of_sqlite() {
        for (state, kind) in [
            ("53100", Kind::Full),
            ("40001", Kind::Unavailable),
            ("40P01", Kind::Unavailable),
            ("08006", Kind::Unavailable),
            ("57P01", Kind::Unavailable),
            ("55P03", Kind::Unavailable),
            ("42601", Kind::Internal),
            ("23502", Kind::Internal),
            ("", Kind::Internal),
        ] {
            assert_eq!(kind_of_sqlstate(state), kind, "{state}");
        }
    }
}
