//! The submission of a job: the job and its idempotency key in one transaction.
//! Must not know who submits.

use super::{
    catalog, datasets, dialect, error::store_error, job_row, predictions::count_runs, row,
    transition,
};
use crate::store::rules;
use onstage_core::{
    Error, Id, Result, Timestamp,
    job::{Idempotency, Job, JobKind, NewJob},
    lifecycle,
    ports::Submitted,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend,
    sea_query::{Expr, ExprTrait, Query},
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
    if transaction.get_database_backend() != DbBackend::Sqlite {
        // Where many write at once, the model could go meanwhile.
        catalog::held(transaction, [&job.model]).await?;
    }
    // One statement: a job of a model that is gone is never there, and the model is not asked for by itself.
    let of_model = Query::select()
        .exprs(values)
        .from("models")
        .and_where(Expr::col("name").eq(job.model.to_string()))
        .take();
    let insert = Query::insert()
        .into_table("jobs")
        .columns(columns)
        .select_from(of_model)
        .map_err(|error| Error::internal("a job has its columns").because(error))?
        .take();
    if dialect::insert_once(transaction, insert, &["id"]).await? {
        return Ok(());
    }
    catalog::model(transaction, &job.model).await?;
    Err(Error::conflict(format!("job `{}` exists already", job.id)))
}

/// The job of an earlier submission with the same key; a conflict when its body was another.
async fn submitted_before(
    transaction: &DatabaseTransaction,
    key: &Idempotency,
    now: Timestamp,
) -> Result<Option<Job>> {
    let select = Query::select()
        .columns(["body_sha256", "job", "created_at"])
        .from("idempotency")
        .and_where(Expr::col("scope").eq(key.scope.as_str()))
        .and_where(Expr::col("name").eq(row::plain(&key.key)))
        .take();
    let known = transaction.query_one(&select).await.map_err(store_error)?;
    let Some(known) = known else { return Ok(None) };
    if !rules::key_is_known(row::time(&known, "created_at")?, now) {
        return Ok(None);
    }
    if row::get::<String>(&known, "body_sha256")? != key.body_sha256 {
        return Err(rules::other_body(key));
    }
    let id: Id = row::parse(&known, "job")?;
    let found = transition::read(transaction, &id).await?;
    Ok(found.map(|found| found.job))
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
