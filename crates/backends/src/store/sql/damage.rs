//! Jobs whose row cannot be read: they are ended as failed by a raw update, so that they block neither a queue nor the reaper.
//! Must not decide when a job is due or its task gone.

use super::{error::store_error, job_row, outbox, row, shares};
use onstage_core::{
    Error, Id, Kind, Result, Timestamp,
    job::{Dead, Lease},
    outcome::{Failure, Reason},
    webhook::Webhook,
};
use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{Expr, ExprTrait, Query, UpdateStatement},
};

/// Ends a queued row as failed. False when even its key cannot be read, or somebody else was first.
pub(super) async fn end(
    connection: &impl ConnectionTrait,
    found: &QueryResult,
    why: &Error,
    now: Timestamp,
) -> Result<bool> {
    let key = row::get::<String>(found, "id");
    let (Ok(id), Ok(revision)) = (key, row::get::<i64>(found, "revision")) else {
        tracing::error!(error = %why, "a queued job in the store cannot be read, nor its key");
        return Ok(false);
    };
    tracing::error!(job = id, error = %why, "a queued job cannot be read and is ended as failed");
    let update = failed(&id, why, now)
        .and_where(Expr::col("state").eq("queued"))
        .and_where(Expr::col("revision").eq(revision))
        .take();
    let result = connection.execute(&update).await.map_err(store_error)?;
    let ended = result.rows_affected() == 1;
    if ended {
        tell(connection, found, now).await?;
    }
    Ok(ended)
}

/// Whether an error came of a row that cannot be read, rather than of the database.
pub(super) async fn is_why(
    connection: &impl ConnectionTrait,
    id: &Id,
    error: &Error,
) -> Result<bool> {
    if error.kind != Kind::Internal {
        return Ok(false);
    }
    let select = job_row::select()
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let found = connection.query_one(&select).await.map_err(store_error)?;
    Ok(found.is_some_and(|found| job_row::read(&found).is_err()))
}

/// Ends a running row whose task is gone, if its beat is still `observed`. False when somebody else was first.
pub(super) async fn expire(
    connection: &impl ConnectionTrait,
    lease: &Lease,
    observed: u64,
    why: &Error,
    now: Timestamp,
) -> Result<bool> {
    let update = failed(lease.job.as_str(), why, now)
        .and_where(Expr::col("state").eq("running"))
        .and_where(Expr::col("run").eq(i64::from(lease.run)))
        .and_where(Expr::col("owner").eq(lease.owner.0.as_str()))
        .and_where(Expr::col("beat").eq(row::int(observed)))
        .take();
    let result = connection.execute(&update).await.map_err(store_error)?;
    let ended = result.rows_affected() == 1;
    if ended {
        tracing::error!(job = %lease.job, error = %why, "a running job cannot be read and is ended as failed");
        shares::end(connection, &lease.job).await?;
        let select = job_row::select()
            .and_where(Expr::col("id").eq(lease.job.as_str()))
            .take();
        if let Some(found) = connection.query_one(&select).await.map_err(store_error)? {
            tell(connection, &found, now).await?;
        }
    }
    Ok(ended)
}

/// Whoever wants to know of the end, when that much can be read.
async fn tell(
    connection: &impl ConnectionTrait,
    found: &QueryResult,
    now: Timestamp,
) -> Result<()> {
    let webhook = row::maybe_json::<Webhook>(found, "webhook_json");
    let (Ok(job), Ok(Some(webhook))) = (row::id(found), webhook) else {
        return Ok(());
    };
    match webhook.of_end(&job, now) {
        Some(message) => outbox::put(connection, &message).await,
        None => Ok(()),
    }
}

fn failed(id: &str, why: &Error, now: Timestamp) -> UpdateStatement {
    let failure = Failure::new(
        Reason::WorkerLost,
        format!("the record of this job is damaged: {why}"),
    );
    Query::update()
        .table("jobs")
        .value("state", "failed")
        .value("reason", row::to_word(&failure.reason))
        .value("failure_json", row::to_json(&failure))
        .value("dead", row::to_word(&Dead::Quarantined))
        .value("completed_at", now.0)
        .value("not_before", Option::<i64>::None)
        .value("revision", Expr::col("revision").add(1_i64))
        .and_where(Expr::col("id").eq(id))
        .take()
}
