//! The tables, as a numbered list of steps; opening a store applies the ones it lacks, in one transaction.
//! Must not change a step that was released: add the next one.

mod aliases;
mod datasets;
mod first;
mod jobs;
mod schedules;
mod trainings;
mod usage;

use super::{dialect, error::store_error, row, views};
use onstage_core::{Error, Result};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, QueryResult,
    sea_query::{
        ColumnDef, Expr, ExprTrait, IndexCreateStatement, OnConflict, Query, SelectStatement,
        Table, TableAlterStatement, TableCreateStatement,
    },
};

/// One step: tables, then changes of earlier ones, then indexes.
pub(super) struct Step {
    pub(super) tables: Vec<TableCreateStatement>,
    pub(super) changes: Vec<TableAlterStatement>,
    pub(super) indexes: Vec<IndexCreateStatement>,
}

/// Every step so far; the first makes schema version 1.
fn steps(backend: DbBackend) -> Vec<Step> {
    vec![
        first::step(backend),
        datasets::step(backend),
        usage::step(backend),
        jobs::step(backend),
        trainings::step(backend),
        aliases::step(backend),
        schedules::step(backend),
    ]
}

const SCHEMA_VERSION: &str = "schema_version";

/// Applies what is missing, once: whoever comes second waits and finds it done. Conflict when a newer Onstage made the tables.
pub(super) async fn bring_up_to_date(connection: &DatabaseConnection) -> Result<()> {
    bring_up_to(connection, usize::MAX).await
}

/// The same, as an Onstage that knows only so many steps would.
pub(super) async fn bring_up_to(connection: &DatabaseConnection, steps_max: usize) -> Result<()> {
    let transaction = dialect::begin(connection).await.map_err(store_error)?;
    dialect::lock_for_tables(&transaction).await?;
    let applied = apply(&transaction, steps_max).await;
    dialect::unlock_for_tables(&transaction).await?;
    match applied {
        Ok(()) => transaction.commit().await.map_err(store_error),
        Err(error) => {
            transaction.rollback().await.map_err(store_error)?;
            Err(error)
        }
    }
}

async fn apply(transaction: &DatabaseTransaction, steps_max: usize) -> Result<()> {
    let meta = Table::create()
        .table("meta")
        .if_not_exists()
        .col(
            ColumnDef::new("name")
                .string_len(64)
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new("value").big_integer().not_null())
        .take();
    transaction.execute(&meta).await.map_err(store_error)?;
    let there = number(transaction, SCHEMA_VERSION).await?;
    let mut steps = steps(transaction.get_database_backend());
    let all = steps.len();
    steps.truncate(steps_max);
    let ours = steps.len() as u64;
    check_not_newer(there, ours)?;
    if there < ours {
        views::drop_all(transaction).await?;
        for step in steps.iter().skip(there as usize) {
            dialect::make_tables(transaction, &step.tables, &step.changes, &step.indexes).await?;
        }
        set_number(transaction, SCHEMA_VERSION, ours).await?;
    }
    match steps.len() == all {
        true => views::bring_up_to_date(transaction).await,
        false => Ok(()),
    }
}

fn check_not_newer(there: u64, ours: u64) -> Result<()> {
    if there <= ours {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "the store has schema version {there}, and this Onstage knows versions up to {ours}"
    ))
    .hint("a newer Onstage made this data folder: upgrade Onstage, or use another data folder"))
}

/// A number of the `meta` table; 0 when it is not there.
pub(super) async fn number(connection: &impl ConnectionTrait, name: &str) -> Result<u64> {
    let select = select_number(name);
    let found = connection.query_one(&select).await.map_err(store_error)?;
    number_of(found.as_ref())
}

pub(super) fn select_number(name: &str) -> SelectStatement {
    Query::select()
        .column("value")
        .from("meta")
        .and_where(Expr::col("name").eq(name))
        .take()
}

pub(super) fn number_of(found: Option<&QueryResult>) -> Result<u64> {
    found.map_or(Ok(0), |found| row::count(found, "value"))
}

pub(super) async fn set_number(
    connection: &impl ConnectionTrait,
    name: &str,
    value: u64,
) -> Result<()> {
    let insert = Query::insert()
        .into_table("meta")
        .columns(["name", "value"])
        .values_panic([name.into(), row::int(value).into()])
        .on_conflict(OnConflict::column("name").update_column("value").to_owned())
        .take();
    connection.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::sqlite::{Durability, connect_writer};
    use onstage_core::Kind;

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = connect_writer(&path, Durability::Full).await.unwrap();
        bring_up_to_date(&connection).await.unwrap();
        let newer = steps(DbBackend::Sqlite).len() as u64 + 3;
        set_number(&connection, SCHEMA_VERSION, newer)
            .await
            .unwrap();
        drop(connection);

        let error = crate::store::sqlite(&path).await.err().unwrap();
        assert_eq!(error.kind, Kind::Conflict);
        for word in [
            newer.to_string(),
            steps(DbBackend::Sqlite).len().to_string(),
        ] {
            assert!(error.message.contains(&word), "{error}");
        }
        assert!(error.hint.unwrap().contains("upgrade"));
        let connection = connect_writer(&path, Durability::Full).await.unwrap();
        assert_eq!(number(&connection, SCHEMA_VERSION).await.unwrap(), newer);
    }
}
