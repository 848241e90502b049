//! The numbered event logs of jobs in SQL.
//! Must not know what an event says.

use super::{
    Writes,
    error::store_error,
    gather::{Gatherer, in_powers},
    outbox, row, shares, transition,
};
use crate::store::rules;
use onstage_core::{
    Error, Id, Result, Timestamp,
    event::{Event, EventKind, NewEvent},
    job::Lease,
    webhook::Webhook,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

const COLUMNS: [&str; 5] = ["job", "seq", "kind", "at", "data_json"];
/// Rows in one insert, below the limit that databases have on bound values.
const INSERT_ROWS_MAX: usize = 500;

/// Under a lease. Numbers come from a counter in the job's row, so that two writers never get the same.
pub(super) async fn append(
    transaction: &DatabaseTransaction,
    job: &Id,
    lease: &Lease,
    events: &[NewEvent],
) -> Result<u64> {
    let found = transition::read(transaction, &lease.job).await?;
    let found = found.ok_or_else(|| rules::lease_on_nothing(lease))?;
    shares::check_lease(transaction, &found.job, lease).await?;
    let events: Vec<&NewEvent> = events.iter().collect();
    let added = events.len() as u64;
    let before = append_to(transaction, &[(job, events)]).await?;
    let before = before.get(job).ok_or_else(|| rules::no_job(job))?;
    Ok(before + added)
}

/// What is said of one job without a lease.
pub(super) type Said = (Id, Vec<NewEvent>);

/// Writes together what is said at the same moment, of one job or of many.
pub(super) fn gatherer(writes: Arc<Writes>) -> Gatherer<Said, u64> {
    Gatherer::start(writes.presence().clone(), move |group| {
        let writes = writes.clone();
        Box::pin(async move {
            let written = writes.write(group, |transaction, group| {
                Box::pin(append_all(transaction, group))
            });
            written.await
        })
    })
}

/// All of it, or nothing; answers the last number after each.
async fn append_all(transaction: &DatabaseTransaction, group: &[Said]) -> Result<Vec<u64>> {
    let mut of_jobs: BTreeMap<&Id, Vec<&NewEvent>> = BTreeMap::new();
    for (job, events) in group {
        of_jobs.entry(job).or_default().extend(events);
    }
    let of_jobs: Vec<(&Id, Vec<&NewEvent>)> = of_jobs.into_iter().collect();
    let mut numbers = HashMap::new();
    for some in in_powers(&of_jobs) {
        numbers.extend(append_to(transaction, some).await?);
    }
    let mut last = Vec::with_capacity(group.len());
    for (job, events) in group {
        let number = numbers.get_mut(job).ok_or_else(|| rules::no_job(job))?;
        *number += events.len() as u64;
        last.push(*number);
    }
    Ok(last)
}

/// Answers each job's last number before.
async fn append_to(
    transaction: &DatabaseTransaction,
    of_jobs: &[(&Id, Vec<&NewEvent>)],
) -> Result<HashMap<Id, u64>> {
    let (before, told) = last_numbers(transaction, of_jobs.iter().map(|(job, _)| *job)).await?;
    let mut grown: BTreeMap<usize, Vec<&Id>> = BTreeMap::new();
    let mut rows = Vec::new();
    for (job, events) in of_jobs {
        let number = before.get(*job).ok_or_else(|| rules::no_job(job))?;
        rows.extend(
            (number + 1..)
                .zip(events)
                .map(|(seq, event)| (*job, seq, *event)),
        );
        if !events.is_empty() {
            grown.entry(events.len()).or_default().push(job);
        }
    }
    for (by, jobs) in grown {
        grow(transaction, &jobs, by).await?;
    }
    insert(transaction, &rows).await?;
    for (job, events) in of_jobs {
        if let (Some((started_at, webhook)), Some(last)) = (told.get(*job), events.last()) {
            let kinds = events.iter().map(|event| event.kind);
            let messages = webhook.of_said(job, *started_at, kinds, last.at);
            outbox::gather(transaction, &messages).await?;
        }
    }
    Ok(before)
}

/// Each job's last number, and who wants to hear what those say that go on.
async fn last_numbers<'a>(
    transaction: &DatabaseTransaction,
    jobs: impl Iterator<Item = &'a Id>,
) -> Result<(HashMap<Id, u64>, HashMap<Id, (Option<Timestamp>, Webhook)>)> {
    let select = Query::select()
        .columns(["id", "events", "started_at", "completed_at", "webhook_json"])
        .from("jobs")
        .and_where(Expr::col("id").is_in(jobs.map(Id::as_str)))
        .order_by("id", Order::Asc)
        .lock(LockType::Update)
        .take();
    let rows = transaction.query_all(&select).await.map_err(store_error)?;
    let (mut numbers, mut told) = (HashMap::new(), HashMap::new());
    for found in &rows {
        let id = row::id(found)?;
        let ended: Option<i64> = row::get(found, "completed_at")?;
        let started_at: Option<i64> = row::get(found, "started_at")?;
        // A webhook that cannot be read is told of nothing; the job's log goes on.
        if let (None, Ok(Some(webhook))) = (ended, row::maybe_json(found, "webhook_json")) {
            told.insert(id.clone(), (started_at.map(Timestamp), webhook));
        }
        numbers.insert(id, row::count(found, "events")?);
    }
    Ok((numbers, told))
}

/// The rows are locked, or this is the only one who writes.
async fn grow(transaction: &DatabaseTransaction, jobs: &[&Id], by: usize) -> Result<()> {
    let update = Query::update()
        .table("jobs")
        .value("events", Expr::col("events").add(by as i64))
        .and_where(Expr::col("id").is_in(jobs.iter().map(|job| job.as_str())))
        .take();
    transaction.execute(&update).await.map_err(store_error)?;
    Ok(())
}

async fn insert(transaction: &DatabaseTransaction, rows: &[(&Id, u64, &NewEvent)]) -> Result<()> {
    for some in rows.chunks(INSERT_ROWS_MAX) {
        let mut insert = Query::insert().into_table("events").columns(COLUMNS).take();
        for (job, seq, event) in some {
            insert.values_panic([
                job.as_str().into(),
                row::int(*seq).into(),
                event.kind.name().into(),
                event.at.0.into(),
                row::plain(&event.data).into(),
            ]);
        }
        transaction.execute(&insert).await.map_err(store_error)?;
    }
    Ok(())
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
