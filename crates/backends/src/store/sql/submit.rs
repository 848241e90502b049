//! The submission of a job: the job and its idempotency key in one transaction.
//! Must not know who submits.

use super::{
    datasets, dialect, error::store_error, job_row, predictions::count_runs, row, transition,
};
use crate::store::rules;
use onstage_core::{
    Error, Id, Result, Timestamp,
    job::{Idempotency, Job, JobKind, NewJob},
    lifecycle,
    ports::Submitted,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

pub(super) async fn submit(transaction: &DatabaseTransaction, new: NewJob) -> Result<Submitted> {
    if let Some(key) = &new.idempotency {
        forget_old_keys(transaction, new.created_at).await?;
        if let Some(job) = submitted_before(transaction, key, new.created_at).await? {
            return Ok(Submitted { job, new: false });
        }
    }
    let key = new.idempotency.clone();
    let job = lifecycle::submitted(new);
    insert(transaction, &job).await?;
    datasets::use_by(transaction, &job).await?;
    if let Some(key) = key
        && !remember(transaction, &key, &job).await?
    {
        // Another front was first with the key and has committed by now: done again, this submission finds its job.
        return Err(Error::unavailable(format!(
            "idempotency key `{}` is used by another request at the same moment",
            key.key
        )));
    }
    if job.spec.kind() == JobKind::Prediction {
        count_runs(transaction, &job.model, 1).await?;
    }
    Ok(Submitted { job, new: true })
}

async fn insert(transaction: &DatabaseTransaction, job: &Job) -> Result<()> {
    let values = job_row::fixed_values(job)
        .into_iter()
        .chain(job_row::moving_values(job))
        .chain([0_i64.into(), 0_i64.into()]);
    let columns = job_row::FIXED
        .into_iter()
        .chain(job_row::MOVING)
        .chain(["revision", "events"]);
    let insert = Query::insert()
        .into_table("jobs")
        .columns(columns)
        .values_panic(values)
        .take();
    if dialect::insert_once(transaction, insert, &["id"]).await? {
        return Ok(());
    }
    Err(Error::conflict(format!("job `{}` exists already", job.id)))
}

/// The job of an earlier submission with the same key; a conflict when its body was another.
async fn submitted_before(
    transaction: &DatabaseTransaction,
    key: &Idempotency,
    now: Timestamp,
) -> Result<Option<Job>> {
    let known = transaction.query_one(&by_key(key)).await;
    let Some(id) = job_of(known.map_err(store_error)?.as_ref(), key, now)? else {
        return Ok(None);
    };
    let found = transition::read(transaction, &id).await?;
    Ok(found.map(|found| found.job))
}

pub(super) fn by_key(key: &Idempotency) -> SelectStatement {
    Query::select()
        .columns(["body_sha256", "job", "created_at"])
        .from("idempotency")
        .and_where(Expr::col("scope").eq(key.scope.as_str()))
        .and_where(Expr::col("name").eq(row::plain(&key.key)))
        .take()
}

/// The job that the row of a key names, while the key is known; a conflict when its body was another.
pub(super) fn job_of(
    known: Option<&QueryResult>,
    key: &Idempotency,
    now: Timestamp,
) -> Result<Option<Id>> {
    let Some(known) = known else { return Ok(None) };
    if !rules::key_is_known(row::time(known, "created_at")?, now) {
        return Ok(None);
    }
    if row::get::<String>(known, "body_sha256")? != key.body_sha256 {
        return Err(rules::other_body(key));
    }
    row::parse(known, "job").map(Some)
}

/// False when somebody else has the key.
async fn remember(transaction: &DatabaseTransaction, key: &Idempotency, job: &Job) -> Result<bool> {
    let insert = Query::insert()
        .into_table("idempotency")
        .columns(["scope", "name", "body_sha256", "job", "created_at"])
        .values_panic([
            key.scope.as_str().into(),
            row::plain(&key.key).into(),
            key.body_sha256.as_str().into(),
            job.id.as_str().into(),
            job.created_at.0.into(),
        ])
        .take();
    dialect::insert_once(transaction, insert, &["scope", "name"]).await
}

async fn forget_old_keys(transaction: &DatabaseTransaction, now: Timestamp) -> Result<()> {
    let oldest = now.0.saturating_sub(rules::IDEMPOTENCY_MS);
    let delete = Query::delete()
        .from_table("idempotency")
        .and_where(Expr::col("created_at").lte(oldest))
        .take();
    transaction.execute(&delete).await.map_err(store_error)?;
    Ok(())
}
