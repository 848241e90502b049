//! The submission of a job: the job and its idempotency key in one transaction; plain ones many at a time.
//! Must not know who submits.

use super::{
    Writes, catalog, datasets, dialect,
    error::store_error,
    gather::{Gatherer, in_powers},
    job_row,
    predictions::count_runs,
    row, transition,
};
use crate::store::rules;
use onstage_core::{
    Error, Id, ModelName, Result, Timestamp,
    job::{Idempotency, Job, JobKind, NewJob},
    lifecycle,
    ports::Submitted,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
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
    check_models(transaction, std::slice::from_ref(&job)).await?;
    insert(transaction, std::slice::from_ref(&job)).await?;
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

/// Whether it may be written by one statement with others: it touches nothing but its own row.
pub(super) fn may_share(new: &NewJob) -> bool {
    new.idempotency.is_none() && new.spec.datasets().is_empty()
}

/// Writes together what is submitted at the same moment.
pub(super) fn gatherer(writes: Arc<Writes>) -> Gatherer<NewJob, Submitted> {
    Gatherer::start(writes.presence().clone(), move |group| {
        let writes = writes.clone();
        Box::pin(async move {
            let written = writes.write(group, |transaction, group| {
                Box::pin(submit_all(transaction, group))
            });
            written.await
        })
    })
}

/// Of those that may share: all of them, or none.
async fn submit_all(transaction: &DatabaseTransaction, group: &[NewJob]) -> Result<Vec<Submitted>> {
    let jobs: Vec<Job> = group.iter().cloned().map(lifecycle::submitted).collect();
    check_models(transaction, &jobs).await?;
    for some in in_powers(&jobs) {
        insert(transaction, some).await?;
    }
    // In the models' order, so that two which count some of the same never wait for each other.
    let mut runs: BTreeMap<String, (&ModelName, i64)> = BTreeMap::new();
    for job in jobs
        .iter()
        .filter(|job| job.spec.kind() == JobKind::Prediction)
    {
        let of_model = runs.entry(job.model.to_string());
        of_model.or_insert((&job.model, 0)).1 += 1;
    }
    for (model, runs) in runs.into_values() {
        count_runs(transaction, model, runs).await?;
    }
    let submitted = |job| Submitted { job, new: true };
    Ok(jobs.into_iter().map(submitted).collect())
}

/// No job is written for a model that is gone, nor goes one meanwhile. Many jobs that come together have few models, and ask once.
async fn check_models(transaction: &DatabaseTransaction, jobs: &[Job]) -> Result<()> {
    let models: BTreeSet<&ModelName> = jobs.iter().map(|job| &job.model).collect();
    let there = catalog::held(transaction, models.iter().copied()).await?;
    let gone = models
        .into_iter()
        .find(|model| !there.contains(&model.to_string()));
    gone.map_or(Ok(()), |model| Err(rules::no_model(model)))
}

async fn insert(transaction: &DatabaseTransaction, jobs: &[Job]) -> Result<()> {
    let columns = job_row::FIXED
        .into_iter()
        .chain(job_row::MOVING)
        .chain(["revision", "events"]);
    let mut insert = Query::insert().into_table("jobs").columns(columns).take();
    for job in jobs {
        let values = job_row::fixed_values(job)
            .into_iter()
            .chain(job_row::moving_values(job))
            .chain([0_i64.into(), 0_i64.into()]);
        insert.values_panic(values);
    }
    if dialect::insert_new(transaction, insert, &["id"], jobs.len()).await? {
        return Ok(());
    }
    let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    Err(Error::conflict(format!(
        "job `{}` exists already",
        ids.join("` or `")
    )))
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
