//! Claiming: due jobs of a version, oldest first, each by compare-and-set.
//! Must not start anything.

use super::{SqlStore, damage, dialect, error::store_error, job_row, transition};
use onstage_core::{Result, Timestamp, job::Job, lifecycle, model::VersionId, task::Incarnation};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order,
    sea_query::{Expr, ExprTrait, SelectStatement},
};

/// Rounds of one claim, each after rows that cannot be read were ended; what is left is the next claim's.
const ROUNDS_MAX: u32 = 64;

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
        let who = (version.clone(), owner.clone());
        self.write(who, move |transaction, (version, owner)| {
            Box::pin(claim(transaction, version, owner, limit, now))
        })
        .await
    }
}

/// A row that cannot be read is ended as failed and the next one claimed in its place, so that it blocks no queue.
async fn claim(
    transaction: &DatabaseTransaction,
    version: &VersionId,
    owner: &Incarnation,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Job>> {
    let mut claimed = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let select = due(version, limit - claimed.len() as u32, now);
        let select = dialect::pass_over_locked(select);
        let rows = transaction.query_all(&select).await.map_err(store_error)?;
        let mut ended = 0;
        for row in &rows {
            let before = match job_row::read(row) {
                Ok(before) => before,
                Err(error) => {
                    ended += u32::from(damage::end(transaction, row, &error, now).await?);
                    continue;
                }
            };
            let mut job = before.job.clone();
            lifecycle::claim(&mut job, owner.clone(), now)?;
            // Where rows cannot be locked, somebody else may have been first.
            if transition::write(transaction, &before, &job).await? {
                claimed.push(job);
            }
        }
        if ended == 0 || claimed.len() >= limit as usize {
            break;
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
