//! Tasks in SQL, as they register themselves.
//! Must not know how they are started.

use super::{SqlStore, dialect, error::store_error, row};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result, Timestamp,
    model::VersionId,
    ports::{Listed, Page, Tasks},
    task::{Incarnation, Task},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, Query, UpdateStatement},
};

/// Ended tasks that one new one takes off the record.
const FORGOTTEN_ROWS_MAX: u64 = 1_000;
const COLUMNS: [&str; 9] = [
    "id",
    "version",
    "incarnation",
    "host",
    "pid",
    "started_at",
    "ended_at",
    "ended_because",
    "beat",
];

#[async_trait]
impl Tasks for SqlStore {
    async fn register_task(&self, task: Task) -> Result<()> {
        self.write(task, |transaction, task| {
            Box::pin(register(transaction, task))
        })
        .await
    }

    async fn beat_task(&self, id: &Id, incarnation: &Incarnation) -> Result<()> {
        let who = (id.clone(), incarnation.clone());
        self.write(who, |transaction, (id, incarnation)| {
            Box::pin(beat(transaction, id, incarnation))
        })
        .await
    }

    async fn end_task(&self, id: &Id, why: &str, now: Timestamp) -> Result<()> {
        let values = (id.clone(), why.to_owned());
        self.write(values, move |transaction, (id, why)| {
            Box::pin(end(transaction, id, why, now))
        })
        .await
    }

    async fn tasks(&self, page: Page) -> Result<Listed<Task>> {
        let select = Query::select().columns(COLUMNS).from("tasks").take();
        self.newest(select, "started_at", &page, read).await
    }
}

async fn register(transaction: &DatabaseTransaction, task: &Task) -> Result<()> {
    let insert = Query::insert()
        .into_table("tasks")
        .columns(COLUMNS)
        .values_panic([
            task.id.as_str().into(),
            task.version.0.as_str().into(),
            task.incarnation.0.as_str().into(),
            row::plain(&task.host).into(),
            i64::from(task.pid).into(),
            task.started_at.0.into(),
            row::millis(task.ended_at).into(),
            row::maybe_plain(task.end.as_deref()).into(),
            row::int(task.beat).into(),
        ])
        .take();
    if dialect::insert_once(transaction, insert, &["id"]).await? {
        return forget_old(transaction, task.started_at).await;
    }
    Err(Error::conflict(format!(
        "task `{}` is registered already",
        task.id
    )))
}

/// By their keys: a condition on other columns would have MySQL lock every task.
async fn forget_old(transaction: &DatabaseTransaction, now: Timestamp) -> Result<()> {
    let oldest = rules::forgotten_tasks(now);
    let select = Query::select()
        .column("id")
        .from("tasks")
        .and_where(Expr::col("ended_at").lt(oldest.0))
        .limit(FORGOTTEN_ROWS_MAX)
        .take();
    let rows = transaction.query_all(&select).await.map_err(store_error)?;
    let ids: Vec<String> = rows
        .iter()
        .map(|row| row::get(row, "id"))
        .collect::<Result<_>>()?;
    if ids.is_empty() {
        return Ok(());
    }
    let delete = Query::delete()
        .from_table("tasks")
        .and_where(Expr::col("id").is_in(ids))
        .take();
    transaction.execute(&delete).await.map_err(store_error)?;
    Ok(())
}

async fn beat(transaction: &DatabaseTransaction, id: &Id, incarnation: &Incarnation) -> Result<()> {
    let update = living(id)
        .value("beat", Expr::col("beat").add(1_i64))
        .and_where(Expr::col("incarnation").eq(incarnation.0.as_str()))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    if result.rows_affected() == 1 {
        return Ok(());
    }
    check_there(transaction, id).await?;
    Err(Error::lost(format!(
        "task `{id}` has ended or is another's"
    )))
}

/// The first end stays.
async fn end(transaction: &DatabaseTransaction, id: &Id, why: &str, now: Timestamp) -> Result<()> {
    let update = living(id)
        .value("ended_at", now.0)
        .value("ended_because", row::plain(why))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    match result.rows_affected() {
        1 => Ok(()),
        _ => check_there(transaction, id).await,
    }
}

fn living(id: &Id) -> UpdateStatement {
    Query::update()
        .table("tasks")
        .and_where(Expr::col("id").eq(id.as_str()))
        .and_where(Expr::col("ended_at").is_null())
        .take()
}

async fn check_there(transaction: &DatabaseTransaction, id: &Id) -> Result<()> {
    let select = Query::select()
        .column("id")
        .from("tasks")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let there = transaction.query_one(&select).await.map_err(store_error)?;
    there
        .map(|_| ())
        .ok_or_else(|| Error::not_found(format!("task `{id}` does not exist")))
}

fn read(row: &QueryResult) -> Result<Task> {
    Ok(Task {
        id: row::id(row)?,
        version: VersionId(row::get(row, "version")?),
        incarnation: Incarnation(row::get(row, "incarnation")?),
        host: row::get(row, "host")?,
        pid: row::small(row, "pid")?,
        started_at: row::time(row, "started_at")?,
        ended_at: row::maybe_time(row, "ended_at")?,
        end: row::get(row, "ended_because")?,
        beat: row::count(row, "beat")?,
    })
}
