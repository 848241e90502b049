//! The numbered event logs of jobs in SQL.
//! Must not know what an event says.

use super::{error::store_error, row, shares, transition};
use crate::store::rules;
use onstage_core::{
    Error, Id, Result,
    event::{Event, EventKind, NewEvent},
    job::Lease,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement},
};

const COLUMNS: [&str; 5] = ["job", "seq", "kind", "at", "data_json"];
/// Rows in one insert, below the limit that databases have on bound values.
const INSERT_ROWS_MAX: usize = 500;

/// Numbers come from a counter in the job's row, so that two writers never get the same.
pub(super) async fn append(
    transaction: &DatabaseTransaction,
    job: &Id,
    lease: Option<&Lease>,
    events: &[NewEvent],
) -> Result<u64> {
    if let Some(lease) = lease {
        let found = transition::read(transaction, &lease.job).await?;
        let found = found.ok_or_else(|| rules::lease_on_nothing(lease))?;
        shares::check_lease(transaction, &found.job, lease).await?;
    }
    let before = last_number(transaction, job).await?;
    if events.is_empty() {
        return Ok(before);
    }
    let last = before + events.len() as u64;
    let update = Query::update()
        .table("jobs")
        .value("events", row::int(last))
        .and_where(Expr::col("id").eq(job.as_str()))
        .and_where(Expr::col("events").eq(row::int(before)))
        .take();
    let taken = transaction.execute(&update).await.map_err(store_error)?;
    if taken.rows_affected() != 1 {
        return Err(Error::unavailable(format!(
            "somebody else wrote events of job `{job}` at the same moment"
        )));
    }
    insert(transaction, job, before, events).await?;
    Ok(last)
}

async fn insert(
    transaction: &DatabaseTransaction,
    job: &Id,
    before: u64,
    events: &[NewEvent],
) -> Result<()> {
    let mut seq = before;
    for some in events.chunks(INSERT_ROWS_MAX) {
        let mut insert = Query::insert().into_table("events").columns(COLUMNS).take();
        for event in some {
            seq += 1;
            insert.values_panic([
                job.as_str().into(),
                row::int(seq).into(),
                event.kind.name().into(),
                event.at.0.into(),
                row::plain(&event.data).into(),
            ]);
        }
        transaction.execute(&insert).await.map_err(store_error)?;
    }
    Ok(())
}

async fn last_number(transaction: &DatabaseTransaction, job: &Id) -> Result<u64> {
    let select = Query::select()
        .column("events")
        .from("jobs")
        .and_where(Expr::col("id").eq(job.as_str()))
        .lock(LockType::Update)
        .take();
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    row::count(&found.ok_or_else(|| rules::no_job(job))?, "events")
}

pub(super) fn after(job: &Id, after: u64, limit: u32) -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("events")
        .and_where(Expr::col("job").eq(job.as_str()))
        .and_where(Expr::col("seq").gt(row::int(after)))
        .order_by("seq", Order::Asc)
        .limit(u64::from(limit))
        .take()
}

pub(super) fn read(row: &QueryResult) -> Result<Event> {
    let kind: String = row::get(row, "kind")?;
    Ok(Event {
        seq: row::count(row, "seq")?,
        kind: EventKind::parse(&kind)
            .ok_or_else(|| Error::internal(format!("event kind `{kind}` is not known")))?,
        at: row::time(row, "at")?,
        data: row::get(row, "data_json")?,
    })
}
