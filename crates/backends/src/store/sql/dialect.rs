//! What the databases do differently: how a write begins, how a row is inserted once, what their error codes mean.
//! Must not know a table; what is special about SQLite's file is in `sqlite`.

use super::{error::store_error, sqlite};
use onstage_core::{Kind, Result};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, TransactionTrait,
    sea_query::{InsertStatement, OnConflict},
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

/// Inserts a row unless one with the same key is there; false when it is.
pub(super) async fn insert_once(
    transaction: &DatabaseTransaction,
    insert: InsertStatement,
    key: &[&'static str],
) -> Result<bool> {
    let backend = transaction.get_database_backend();
    let insert = once(backend, insert, key);
    match transaction.execute(&insert).await.map_err(store_error) {
        Ok(result) => Ok(result.rows_affected() == 1),
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
    let Some(code) = error.code() else {
        return Kind::Internal;
    };
    match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        Some(_) => code.parse().map_or(Kind::Internal, sqlite::kind_of_code),
        None => kind_of_sqlstate(&code),
    }
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
