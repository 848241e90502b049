//! Claiming: due jobs of a version, people in turn, each job by compare-and-set.
//! Must not start anything.

use super::{
    SqlStore, damage, dialect, error::store_error, job_row, trainings::in_lane, transition, turns,
};
use onstage_core::{
    Id, Result, Timestamp, fair,
    job::Job,
    lifecycle,
    model::VersionId,
    task::{Incarnation, Lane},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

/// Rounds of one claim, each after rows that cannot be read were ended; what is left is the next claim's.
const ROUNDS_MAX: u32 = 64;

impl SqlStore {
    /// Looks without the write lock first, so that idle tasks which poll disturb nobody.
    pub(super) async fn claim_due(
        &self,
        version: &VersionId,
        lane: Lane,
        owner: &Incarnation,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Job>> {
        if limit == 0 || self.one(&any_due(version, lane, now)).await?.is_none() {
            return Ok(Vec::new());
        }
        let who = (version.clone(), owner.clone());
        self.write(who, move |transaction, (version, owner)| {
            Box::pin(claim(transaction, version, lane, owner, limit, now))
        })
        .await
    }
}

/// Rounds of turns, until there is enough or nothing more is due.
async fn claim(
    transaction: &DatabaseTransaction,
    version: &VersionId,
    lane: Lane,
    owner: &Incarnation,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Job>> {
    let mut claimed = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let (waiting, mut latest) = turns::waiting(transaction, version, lane).await?;
        let people = fair::in_turn(waiting);
        let (count, mut moved) = (people.len(), false);
        for (place, mut one) in people.into_iter().enumerate() {
            let left = limit - claimed.len() as u32;
            let quota = fair::quota(left, count - place);
            if quota == 0 {
                break;
            }
            let theirs = dialect::pass_over_locked(due_of(version, lane, &one.by, quota, now));
            let rows = transaction.query_all(&theirs).await.map_err(store_error)?;
            let (jobs, ended) = claim_rows(transaction, &rows, owner, now).await?;
            moved |= ended || !jobs.is_empty();
            if !jobs.is_empty() {
                latest += 1;
                one.turn = latest;
                turns::served(transaction, version, &one).await?;
                claimed.extend(jobs);
            }
        }
        if !moved || claimed.len() >= limit as usize {
            break;
        }
    }
    Ok(claimed)
}

/// A row that cannot be read is ended as failed, so that it blocks no queue; answers whether there was one.
async fn claim_rows(
    transaction: &DatabaseTransaction,
    rows: &[QueryResult],
    owner: &Incarnation,
    now: Timestamp,
) -> Result<(Vec<Job>, bool)> {
    let (mut claimed, mut ended) = (Vec::with_capacity(rows.len()), false);
    for row in rows {
        let before = match job_row::read(row) {
            Ok(before) => before,
            Err(error) => {
                ended |= damage::end(transaction, row, &error, now).await?;
                continue;
            }
        };
        let mut job = before.job.clone();
        lifecycle::claim(&mut job, owner.clone(), now)?;
        // Where the rows are not locked, somebody else may have been first.
        if transition::write(transaction, &before, &job).await? {
            claimed.push(job);
        }
    }
    Ok((claimed, ended))
}

/// Of one person the most urgent come first, then the oldest.
fn due_of(version: &VersionId, lane: Lane, by: &Id, limit: u32, now: Timestamp) -> SelectStatement {
    job_row::select()
        .and_where(Expr::col("state").eq("queued"))
        .and_where(Expr::col("version").eq(version.0.as_str()))
        .and_where(Expr::col("principal").eq(by.as_str()))
        .and_where(in_lane(lane))
        .and_where(Expr::col("not_before").lte(now.0))
        .order_by("urgency", Order::Asc)
        .order_by("created_at", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(u64::from(limit))
        .take()
}

/// Whether anything is due at all.
fn any_due(version: &VersionId, lane: Lane, now: Timestamp) -> SelectStatement {
    Query::select()
        .column("id")
        .from("jobs")
        .and_where(Expr::col("state").eq("queued"))
        .and_where(Expr::col("version").eq(version.0.as_str()))
        .and_where(in_lane(lane))
        .and_where(Expr::col("not_before").lte(now.0))
        .limit(1)
        .take()
}
