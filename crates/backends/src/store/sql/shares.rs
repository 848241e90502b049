//! How rows of batch jobs are shared out, in SQL: one row a job, changed by compare-and-set on its revision.
//! Must not decide who gets what; `onstage_core::shares` does.

use super::{SqlStore, dialect, error::store_error, row, transition};
use crate::store::rules;
use onstage_core::{
    Error, Id, Result,
    batch::Chunk,
    job::{Job, JobState, Lease},
    model::VersionId,
    ports::RunningJob,
    shares::{self, ShareStep, Shares},
    task::Incarnation,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement},
};

/// How often a change is tried again after somebody else was first.
const TRIES_MAX: u32 = 8;

/// The record with the number that every write of its row raises.
struct Read {
    shares: Shares,
    revision: i64,
}

impl SqlStore {
    /// Looks without the write lock first, so that idle tasks which poll disturb nobody.
    pub(super) async fn help_out(
        &self,
        version: &VersionId,
        owner: &Incarnation,
    ) -> Result<Option<(Job, Lease)>> {
        let shared = self.all(&of_version(version)).await?;
        let is_open = |found: &QueryResult| {
            let shares: Result<Shares> = row::json(found, "shares_json");
            shares.is_ok_and(|shares| shares.is_open_to(owner))
        };
        if !shared.iter().any(is_open) {
            return Ok(None);
        }
        let who = (version.clone(), owner.clone());
        self.write(who, |transaction, (version, owner)| {
            Box::pin(join(transaction, version, owner))
        })
        .await
    }

    pub(super) async fn shares_of(&self, job: &Id) -> Result<Option<Shares>> {
        let found = self.one(&select(job)).await?;
        found
            .map(|found| row::json(&found, "shares_json"))
            .transpose()
    }

    pub(super) async fn helping(&self) -> Result<Vec<RunningJob>> {
        let select = Query::select()
            .columns(["job", "version", "shares_json"])
            .from("shares")
            .take();
        let found = row::readable(&self.all(&select).await?, helpers);
        Ok(found.into_iter().flatten().collect())
    }

    /// By the version of their jobs.
    pub(super) async fn all_shares(&self) -> Result<Vec<(VersionId, Shares)>> {
        let select = Query::select()
            .columns(["job", "version", "shares_json"])
            .from("shares")
            .take();
        let one = |found: &QueryResult| {
            let version = VersionId(row::get(found, "version")?);
            Ok((version, row::json(found, "shares_json")?))
        };
        Ok(row::readable(&self.all(&select).await?, one))
    }
}

async fn join(
    transaction: &DatabaseTransaction,
    version: &VersionId,
    owner: &Incarnation,
) -> Result<Option<(Job, Lease)>> {
    let shared = of_version(version);
    for offer in transaction.query_all(&shared).await.map_err(store_error)? {
        let id: Id = row::parse(&offer, "job")?;
        let Some(found) = transition::read(transaction, &id).await? else {
            continue;
        };
        let Some(before) = read(transaction, &id).await? else {
            continue;
        };
        let mut after = before.shares.clone();
        let Some(lease) = after.join(&found.job, owner) else {
            continue;
        };
        if after == before.shares || write(transaction, &id, before.revision, &after).await? {
            return Ok(Some((found.job, lease)));
        }
    }
    Ok(None)
}

/// Does a step of a task to the record.
pub(super) async fn step(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    step: &ShareStep,
) -> Result<Option<Shares>> {
    let found = transition::read(transaction, &lease.job).await?;
    let job = found.ok_or_else(|| rules::lease_on_nothing(lease))?.job;
    for _ in 0..TRIES_MAX {
        let before = read(transaction, &lease.job).await?;
        let known = before.as_ref().map(|before| before.shares.clone());
        let after = shares::step(&job, known, lease, step.clone())?;
        let written = match (&before, &after) {
            (_, None) => true,
            (Some(before), Some(after)) if before.shares == *after => true,
            (Some(before), Some(after)) => {
                write(transaction, &job.id, before.revision, after).await?
            }
            (None, Some(after)) => insert(transaction, &job, after).await?,
        };
        if written {
            return Ok(after);
        }
    }
    Err(busy(&lease.job))
}

/// Whether a lease may write for a job that was just read: the job's own, or a helper's.
pub(super) async fn check_lease(
    transaction: &DatabaseTransaction,
    job: &Job,
    lease: &Lease,
) -> Result<()> {
    let Err(lost) = job.check_lease(lease) else {
        return Ok(());
    };
    // Most who have lost it never helped with anything.
    if !matches!(job.state, JobState::Running { .. }) || job.run != lease.run {
        return Err(lost);
    }
    let found = read(transaction, &job.id).await?;
    shares::check_lease(job, found.as_ref().map(|found| &found.shares), lease)
}

/// A new chunk counts as computed.
pub(super) async fn committed(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    chunk: &Chunk,
) -> Result<()> {
    change(transaction, lease, |shares| shares.committed(lease, chunk)).await
}

/// A helper's sign of life; answers whether cancelling was asked for. `lost` is what is said to whoever is no helper.
pub(super) async fn beat(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    lost: Error,
) -> Result<bool> {
    let job = helped(transaction, lease, lost).await?;
    change(transaction, lease, |shares| shares.beat(lease)).await?;
    Ok(matches!(
        job.state,
        JobState::Running {
            cancel_requested: true,
            ..
        }
    ))
}

/// A helper is gone.
pub(super) async fn expire(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    observed: u64,
    lost: Error,
) -> Result<Job> {
    let job = helped(transaction, lease, lost).await?;
    change(transaction, lease, |shares| shares.expire(lease, observed)).await?;
    Ok(job)
}

/// The run is over.
pub(super) async fn end(connection: &impl ConnectionTrait, job: &Id) -> Result<()> {
    let delete = Query::delete()
        .from_table("shares")
        .and_where(Expr::col("job").eq(job.as_str()))
        .take();
    connection.execute(&delete).await.map_err(store_error)?;
    Ok(())
}

/// The job that a helper helps with.
async fn helped(transaction: &DatabaseTransaction, lease: &Lease, lost: Error) -> Result<Job> {
    let Some(found) = transition::read(transaction, &lease.job).await? else {
        return Err(lost);
    };
    match check_lease(transaction, &found.job, lease).await {
        Ok(()) => Ok(found.job),
        Err(_) => Err(lost),
    }
}

async fn change(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    rule: impl Fn(&mut Shares) -> Result<()> + Send,
) -> Result<()> {
    for _ in 0..TRIES_MAX {
        let Some(before) = read(transaction, &lease.job).await? else {
            return Ok(());
        };
        let mut after = before.shares.clone();
        rule(&mut after)?;
        if after == before.shares || write(transaction, &lease.job, before.revision, &after).await?
        {
            return Ok(());
        }
    }
    Err(busy(&lease.job))
}

async fn read(transaction: &DatabaseTransaction, job: &Id) -> Result<Option<Read>> {
    let select = select(job).lock(LockType::Update).take();
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    let read = |found: QueryResult| {
        Ok(Read {
            shares: row::json(&found, "shares_json")?,
            revision: row::get(&found, "revision")?,
        })
    };
    found.map(read).transpose()
}

/// The compare-and-set. False when somebody else was first.
async fn write(
    transaction: &DatabaseTransaction,
    job: &Id,
    revision: i64,
    after: &Shares,
) -> Result<bool> {
    let update = Query::update()
        .table("shares")
        .value("seats", i64::from(after.seats()))
        .value("shares_json", row::to_json(after))
        .value("revision", revision + 1)
        .and_where(Expr::col("job").eq(job.as_str()))
        .and_where(Expr::col("revision").eq(revision))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    Ok(result.rows_affected() == 1)
}

async fn insert(transaction: &DatabaseTransaction, job: &Job, shares: &Shares) -> Result<bool> {
    let insert = Query::insert()
        .into_table("shares")
        .columns(["job", "version", "seats", "shares_json", "revision"])
        .values_panic([
            job.id.as_str().into(),
            job.version.0.as_str().into(),
            i64::from(shares.seats()).into(),
            row::to_json(shares).into(),
            0_i64.into(),
        ])
        .take();
    dialect::insert_once(transaction, insert, &["job"]).await
}

fn select(job: &Id) -> SelectStatement {
    Query::select()
        .columns(["shares_json", "revision"])
        .from("shares")
        .and_where(Expr::col("job").eq(job.as_str()))
        .take()
}

fn of_version(version: &VersionId) -> SelectStatement {
    Query::select()
        .columns(["job", "shares_json"])
        .from("shares")
        .and_where(Expr::col("version").eq(version.0.as_str()))
        .order_by("job", Order::Asc)
        .take()
}

fn helpers(row: &QueryResult) -> Result<Vec<RunningJob>> {
    let job: Id = row::parse(row, "job")?;
    let version = VersionId(row::get(row, "version")?);
    let shares: Shares = row::json(row, "shares_json")?;
    let one = |helper: shares::Helper| RunningJob {
        lease: Lease {
            job: job.clone(),
            run: shares.run,
            owner: helper.owner,
        },
        version: version.clone(),
        beat: helper.beat,
    };
    Ok(shares.helpers.into_iter().map(one).collect())
}

fn busy(job: &Id) -> Error {
    Error::unavailable(format!(
        "the shares of job `{job}` are changed by too many at once"
    ))
}
