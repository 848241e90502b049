//! The removal of a model with all that is its own, in slices, so that other writes come in between.
//! Must not leave a record behind whose model is gone: the model's own goes last.

use super::{SqlStore, catalog, error::store_error, row};
use crate::store::rules;
use onstage_core::{ModelName, Result};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction,
    sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement},
};

/// Rows removed in one commit, the events of jobs included.
const SLICE_ROWS_MAX: u64 = 1_000;
/// States of jobs that keep their model.
const OPEN: [&str; 2] = ["queued", "running"];

impl SqlStore {
    /// Broken off between two slices, it leaves the model with less of its past; the next call goes on.
    pub(super) async fn remove_model(&self, name: &ModelName) -> Result<()> {
        let found = self.one(&catalog::select_one(name)).await?;
        found.ok_or_else(|| rules::no_model(name))?;
        if self.one(&open_job(name)).await?.is_some() {
            return Err(rules::model_busy(name));
        }
        loop {
            let removed = self.write(name.clone(), |transaction, name| {
                Box::pin(slice(transaction, name))
            });
            if removed.await? {
                return Ok(());
            }
        }
    }
}

/// Removes some of what the model has; when nothing is left, the model, and then answers true.
pub(super) async fn slice(transaction: &DatabaseTransaction, name: &ModelName) -> Result<bool> {
    let model = catalog::select_one(name).lock(LockType::Update).take();
    let model = transaction.query_one(&model).await.map_err(store_error)?;
    if model.is_none() {
        return Ok(true);
    }
    let jobs = some_jobs(transaction, name).await?;
    if remove(transaction, "jobs", jobs).await? {
        return Ok(false);
    }
    let open = open_job(name);
    let open = transaction.query_one(&open).await.map_err(store_error)?;
    if open.is_some() {
        return Err(rules::model_busy(name));
    }
    for table in ["predictions", "feedback"] {
        let ids = some_ids(transaction, table, name).await?;
        if remove(transaction, table, ids).await? {
            return Ok(false);
        }
    }
    // Versions go with their model by their foreign key.
    for (table, column) in [("run_counts", "model"), ("models", "name")] {
        let delete = Query::delete()
            .from_table(table)
            .and_where(Expr::col(column).eq(name.to_string()))
            .take();
        transaction.execute(&delete).await.map_err(store_error)?;
    }
    catalog::changed(transaction).await?;
    Ok(true)
}

fn open_job(name: &ModelName) -> SelectStatement {
    Query::select()
        .column("id")
        .from("jobs")
        .and_where(Expr::col("model").eq(name.to_string()))
        .and_where(Expr::col("state").is_in(OPEN))
        .limit(1)
        .take()
}

/// As many finished jobs as have a slice's worth of events, which go with them; at least one.
async fn some_jobs(transaction: &DatabaseTransaction, name: &ModelName) -> Result<Vec<String>> {
    let select = Query::select()
        .columns(["id", "events"])
        .from("jobs")
        .and_where(Expr::col("model").eq(name.to_string()))
        .and_where(Expr::col("state").is_not_in(OPEN))
        .limit(SLICE_ROWS_MAX)
        .take();
    let found = transaction.query_all(&select).await.map_err(store_error)?;
    let (mut ids, mut rows) = (Vec::new(), 0);
    for job in &found {
        rows += 1 + row::count(job, "events")?;
        if rows > SLICE_ROWS_MAX && !ids.is_empty() {
            break;
        }
        ids.push(row::get(job, "id")?);
    }
    Ok(ids)
}

async fn some_ids(
    transaction: &DatabaseTransaction,
    table: &'static str,
    name: &ModelName,
) -> Result<Vec<String>> {
    let select = Query::select()
        .column("id")
        .from(table)
        .and_where(Expr::col("model").eq(name.to_string()))
        .limit(SLICE_ROWS_MAX)
        .take();
    let found = transaction.query_all(&select).await.map_err(store_error)?;
    found.iter().map(|found| row::get(found, "id")).collect()
}

/// False when there was nothing to remove.
async fn remove(
    transaction: &DatabaseTransaction,
    table: &'static str,
    ids: Vec<String>,
) -> Result<bool> {
    if ids.is_empty() {
        return Ok(false);
    }
    let delete = Query::delete()
        .from_table(table)
        .and_where(Expr::col("id").is_in(ids))
        .take();
    transaction.execute(&delete).await.map_err(store_error)?;
    Ok(true)
}
