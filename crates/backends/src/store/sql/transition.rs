//! One move of a job: read the row, apply a rule of the lifecycle, write it back if nobody else did meanwhile.
//! Must not know which rule.

use super::{error::store_error, job_row, outbox, shares};
use crate::store::rules;
use onstage_core::{
    Error, Id, Result,
    job::{Job, JobKind, JobState, Lease},
};
use sea_orm::{
    ConnectionTrait, Order,
    sea_query::{Expr, ExprTrait, LockType, Query, UpdateStatement},
};
use std::collections::HashMap;

/// How often a move is tried again after somebody else was first.
const TRIES_MAX: u32 = 8;

/// Moves the job of a lease. A job that is gone is a lost lease.
pub(super) async fn under_lease<T>(
    connection: &impl ConnectionTrait,
    lease: &Lease,
    rule: impl Fn(&mut Job) -> Result<T> + Send,
) -> Result<(Job, T)>
where
    T: Send,
{
    under_lease_as_read(connection, None, lease, rule).await
}

/// As `under_lease`, of a job that may have been read in this transaction.
pub(super) async fn under_lease_as_read<T>(
    connection: &impl ConnectionTrait,
    read: Option<job_row::Read>,
    lease: &Lease,
    rule: impl Fn(&mut Job) -> Result<T> + Send,
) -> Result<(Job, T)>
where
    T: Send,
{
    let gone = || rules::lease_on_nothing(lease);
    moved(connection, read, &lease.job, gone, rule).await
}

/// Moves a job by its id.
pub(super) async fn by_id<T: Send>(
    connection: &impl ConnectionTrait,
    id: &Id,
    rule: impl Fn(&mut Job) -> Result<T> + Send,
) -> Result<(Job, T)> {
    moved(connection, None, id, || rules::no_job(id), rule).await
}

async fn moved<T: Send>(
    connection: &impl ConnectionTrait,
    mut known: Option<job_row::Read>,
    id: &Id,
    gone: impl Fn() -> Error + Send,
    rule: impl Fn(&mut Job) -> Result<T> + Send,
) -> Result<(Job, T)> {
    for _ in 0..TRIES_MAX {
        let before = match known.take() {
            Some(known) => known,
            None => read(connection, id).await?.ok_or_else(&gone)?,
        };
        let mut job = before.job.clone();
        let answer = rule(&mut job)?;
        if job == before.job || write(connection, &before, &job).await? {
            return Ok((job, answer));
        }
    }
    Err(Error::unavailable(format!(
        "job `{id}` is changed by too many at once"
    )))
}

/// The job with its revision. Databases that can, keep the row from changing until the transaction ends.
pub(super) async fn read(
    connection: &impl ConnectionTrait,
    id: &Id,
) -> Result<Option<job_row::Read>> {
    let select = job_row::select()
        .and_where(Expr::col("id").eq(id.as_str()))
        .lock(LockType::Update)
        .take();
    let row = connection.query_one(&select).await.map_err(store_error)?;
    row.as_ref().map(job_row::read).transpose()
}

/// As `read`, many at once. Those that are gone or cannot be read are left out.
pub(super) async fn read_all<'a>(
    connection: &impl ConnectionTrait,
    ids: impl Iterator<Item = &'a Id>,
) -> Result<HashMap<Id, job_row::Read>> {
    let select = job_row::select()
        .and_where(Expr::col("id").is_in(ids.map(Id::as_str)))
        .order_by("id", Order::Asc)
        .lock(LockType::Update)
        .take();
    let rows = connection.query_all(&select).await.map_err(store_error)?;
    let read = rows.iter().filter_map(|row| job_row::read(row).ok());
    Ok(read.map(|read| (read.job.id.clone(), read)).collect())
}

/// Writes `after` if the row is still as `before` was read: the compare-and-set. False when somebody else was first.
pub(super) async fn write(
    connection: &impl ConnectionTrait,
    before: &job_row::Read,
    after: &Job,
) -> Result<bool> {
    let update = compare_and_set(before, after);
    let result = connection.execute(&update).await.map_err(store_error)?;
    let written = result.rows_affected() == 1;
    let ran = matches!(before.job.state, JobState::Running { .. });
    let runs = matches!(after.state, JobState::Running { .. });
    if written && ran && !runs && after.spec.kind() == JobKind::Batch {
        shares::end(connection, &after.id).await?;
    }
    if written {
        outbox::tell(connection, &before.job.state, after).await?;
    }
    Ok(written)
}

/// State, run and owner fence out an old lease; the revision also fences out anything else that changed the row meanwhile.
fn compare_and_set(before: &job_row::Read, after: &Job) -> UpdateStatement {
    let values = job_row::moving_values(after);
    let mut update = Query::update()
        .table("jobs")
        .values(job_row::MOVING.into_iter().zip(values))
        .value("revision", (before.revision + 1) as i64)
        .and_where(Expr::col("id").eq(before.job.id.as_str()))
        .and_where(Expr::col("state").eq(before.job.state.name()))
        .and_where(Expr::col("run").eq(i64::from(before.job.run)))
        .and_where(Expr::col("revision").eq(before.revision as i64))
        .take();
    if let JobState::Running { owner, beat, .. } = &before.job.state {
        update
            .and_where(Expr::col("owner").eq(owner.0.as_str()))
            .and_where(Expr::col("beat").eq(*beat as i64));
    }
    update
}
