//! Claiming: due jobs of a version, oldest first, each by compare-and-set.
//! Must not start anything.

use super::{SqlStore, error::store_error, job_row, row, transition};
use onstage_core::{Result, Timestamp, job::Job, lifecycle, model::VersionId, task::Incarnation};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order,
    sea_query::{Expr, ExprTrait, SelectStatement},
};

impl SqlStore {
    /// Looks without the write lock first, so that idle tasks which poll disturb nobody.
    pub(super) async fn claim_due(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Job>> {
        if limit == 0 || self.one(&due(version, 1, now)).await?.is_none() {
            return Ok(Vec::new());
        }
        let (version, owner) = (version.clone(), owner.clone());
        self.writer
            .write(Box::new(move |transaction| {
                Box::pin(async move { claim(transaction, &version, &owner, limit, now).await })
            }))
            .await
    }
}

async fn claim(
    transaction: &DatabaseTransaction,
    version: &VersionId,
    owner: &Incarnation,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Job>> {
    let select = due(version, limit, now);
    let rows = transaction.query_all(&select).await.map_err(store_error)?;
    let mut claimed = Vec::with_capacity(rows.len());
    for before in row::readable(&rows, job_row::read) {
        let mut job = before.job.clone();
        lifecycle::claim(&mut job, owner.clone(), now)?;
        // Where the rows are not locked, somebody else may have been first.
        if transition::write(transaction, &before, &job).await? {
            claimed.push(job);
        }
    }
    Ok(claimed)
}

fn due(version: &VersionId, limit: u32, now: Timestamp) -> SelectStatement {
    job_row::select()
        .and_where(Expr::col("state").eq("queued"))
        .and_where(Expr::col("version").eq(version.0.as_str()))
        .and_where(Expr::col("not_before").lte(now.0))
        .order_by("created_at", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(u64::from(limit))
        .take()
}
