//! Trainings in SQL: their claims, their checkpoints, and the commit that ends one and makes its version.
//! Must not know what lies in the blobs.

use super::{SqlStore, dialect, error::store_error, row, transition, versions};
use crate::store::rules;
use onstage_core::{
    Id, Result, Timestamp,
    job::{Job, Lease},
    lifecycle::{self, RetryPolicy, RunEnd},
    model::VersionId,
    parcel::Parcel,
    task::{Incarnation, Lane},
    training::{Checkpoint, Trained},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

const COLUMNS: [&str; 9] = [
    "job",
    "number",
    "run",
    "name",
    "is_folder",
    "blob_key",
    "blob_size_bytes",
    "blob_sha256",
    "created_at",
];

impl SqlStore {
    pub(super) async fn claim_one_training(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        now: Timestamp,
    ) -> Result<Option<Job>> {
        let claimed = self.claim_due(version, Lane::Trainings, owner, 1, now);
        Ok(claimed.await?.pop())
    }

    pub(super) async fn checkpoints_of(&self, job: &Id) -> Result<Vec<Checkpoint>> {
        let rows = self.all(&of_job(job)).await?;
        rows.iter().map(read).collect()
    }
}

/// Writes a checkpoint while the lease holds, then takes out all but the last `keep`.
pub(super) async fn commit(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    checkpoint: &Checkpoint,
    keep: u32,
) -> Result<Vec<Checkpoint>> {
    let found = transition::read(transaction, &lease.job).await?;
    let found = found.ok_or_else(|| rules::lease_on_nothing(lease))?;
    found.job.check_lease(lease)?;
    let parcel = &checkpoint.parcel;
    let insert = Query::insert()
        .into_table("checkpoints")
        .columns(COLUMNS)
        .values_panic([
            lease.job.as_str().into(),
            i64::from(checkpoint.number).into(),
            i64::from(checkpoint.run).into(),
            row::plain(&parcel.name).into(),
            parcel.is_folder.into(),
            parcel.blob.key.as_str().into(),
            row::int(parcel.blob.size_bytes).into(),
            parcel.blob.sha256.as_str().into(),
            checkpoint.created_at.0.into(),
        ])
        .take();
    dialect::insert_once(transaction, insert, &["job", "number"]).await?;
    let select = of_job(&lease.job);
    let rows = transaction.query_all(&select).await.map_err(store_error)?;
    let all: Vec<Checkpoint> = rows.iter().map(read).collect::<Result<_>>()?;
    let forgotten = rules::forgotten(all, keep);
    if let Some(last) = forgotten.last() {
        let delete = Query::delete()
            .from_table("checkpoints")
            .and_where(Expr::col("job").eq(lease.job.as_str()))
            .and_where(Expr::col("number").lte(i64::from(last.number)))
            .take();
        transaction.execute(&delete).await.map_err(store_error)?;
    }
    Ok(forgotten)
}

/// One write: an error undoes the version as well.
pub(super) async fn finish(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    trained: &Trained,
    now: Timestamp,
) -> Result<Job> {
    let found = transition::read(transaction, &lease.job).await?;
    let found = found.ok_or_else(|| rules::lease_on_nothing(lease))?;
    found.job.check_lease(lease)?;
    let (version, _) = versions::add(transaction, trained.version.clone()).await?;
    let end = RunEnd::Succeeded(trained.output(version.number));
    let policy = RetryPolicy::none();
    let rule = |job: &mut Job| lifecycle::finish(job, lease, end.clone(), &policy, 0.0, now);
    let (job, ()) = transition::under_lease(transaction, lease, rule).await?;
    Ok(job)
}

fn of_job(job: &Id) -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("checkpoints")
        .and_where(Expr::col("job").eq(job.as_str()))
        .order_by("number", Order::Asc)
        .take()
}

fn read(row: &QueryResult) -> Result<Checkpoint> {
    Ok(Checkpoint {
        number: row::small(row, "number")?,
        run: row::small(row, "run")?,
        parcel: Parcel {
            blob: row::blob(row, "blob")?,
            name: row::get(row, "name")?,
            is_folder: row::get(row, "is_folder")?,
        },
        created_at: row::time(row, "created_at")?,
    })
}

/// Which kinds of jobs a lane has.
pub(super) fn in_lane(lane: Lane) -> Expr {
    let training = onstage_core::job::JobKind::Training.name();
    match lane {
        Lane::Jobs => Expr::col("kind").ne(training),
        Lane::Trainings => Expr::col("kind").eq(training),
    }
}
