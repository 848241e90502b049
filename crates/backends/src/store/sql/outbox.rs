//! Messages on their way to webhooks, in SQL.
//! Must not decide when a message is tried again.

use super::{SqlStore, dialect, error::store_error, page, row};
use crate::store::memory::{page_length, taken_by_another};
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result, Timestamp,
    job::{Job, JobState},
    ports::{Listed, Outbox, Page},
    webhook::{Fate, Message, WebhookEvent, gathered_until, news},
};
use sea_orm::{
    Condition, ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Query, SelectStatement, SimpleExpr},
};

/// `id` is the job's: lists are ordered by time, then by it.
const COLUMNS: [&str; 8] = [
    "id",
    "number",
    "event",
    "url",
    "created_at",
    "tries",
    "not_before",
    "failure",
];

#[async_trait]
impl Outbox for SqlStore {
    async fn take_messages(
        &self,
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Message>> {
        if self.one(&due(1, now)).await?.is_none() {
            return Ok(Vec::new());
        }
        self.write((), move |transaction, ()| {
            Box::pin(take(transaction, limit, now, until))
        })
        .await
    }

    async fn settle_message(
        &self,
        message: &Message,
        fate: Fate,
        failure: Option<String>,
    ) -> Result<()> {
        let values = (message.clone(), failure);
        self.write(values, move |transaction, (message, failure)| {
            Box::pin(settle(transaction, message, fate, failure.as_deref()))
        })
        .await
    }

    async fn dead_messages(&self, page: Page) -> Result<Listed<Message>> {
        let select = Query::select()
            .columns(COLUMNS)
            .from("outbox")
            .and_where(Expr::col("dead").eq(true))
            .take();
        // No two of a job's messages are of one event, so that no more than these are at one place.
        let more = u64::from(page.limit) + WebhookEvent::ALL.len() as u64;
        let select = page::in_order(select, "created_at", &page)
            .order_by("number", Order::Desc)
            .limit(more)
            .take();
        let rows = self.all(&select).await?;
        let place = |row: &QueryResult| page::place(row, "created_at");
        let places: Vec<_> = rows.iter().map(|row| place(row).ok()).collect();
        page::listed(&rows, page_length(&places, page.limit) as u32, read, place)
    }

    async fn revive_messages(&self, job: &Id, now: Timestamp) -> Result<u64> {
        self.write(job.clone(), move |transaction, job| {
            Box::pin(revive(transaction, job, now))
        })
        .await
    }
}

/// A job has moved: whoever wants to know is told, in the same commit.
pub(super) async fn tell(
    connection: &impl ConnectionTrait,
    before: &JobState,
    after: &Job,
) -> Result<()> {
    match news(before, after) {
        Some(message) => put(connection, &message).await,
        None => Ok(()),
    }
}

pub(super) async fn put(connection: &impl ConnectionTrait, message: &Message) -> Result<()> {
    let insert = insert(message);
    connection.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

/// Messages that gather: one that is there already tells of this too.
pub(super) async fn gather(connection: &impl ConnectionTrait, messages: &[Message]) -> Result<()> {
    for message in messages {
        let gathered = OnConflict::columns(["id", "number"])
            .update_column("created_at")
            .to_owned();
        let insert = insert(message).on_conflict(gathered).take();
        connection.execute(&insert).await.map_err(store_error)?;
    }
    Ok(())
}

fn insert(message: &Message) -> InsertStatement {
    Query::insert()
        .into_table("outbox")
        .columns(COLUMNS.into_iter().chain(["dead"]))
        .values_panic([
            message.job.as_str().into(),
            i64::from(message.event.number()).into(),
            message.event.name().into(),
            row::plain(&message.url).into(),
            message.created_at.0.into(),
            0_i64.into(),
            message.not_before.0.into(),
            Option::<String>::None.into(),
            false.into(),
        ])
        .take()
}

/// As it was taken. By its event: the numbers were others once.
fn this(message: &Message) -> Condition {
    Condition::all()
        .add(Expr::col("id").eq(message.job.as_str()))
        .add(Expr::col("event").eq(message.event.name()))
        .add(Expr::col("tries").eq(i64::from(message.tries)))
        .add(Expr::col("dead").eq(false))
}

async fn take(
    transaction: &DatabaseTransaction,
    limit: u32,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Message>> {
    let due = dialect::pass_over_locked(due(limit, now));
    let rows = transaction.query_all(&due).await.map_err(store_error)?;
    let mut taken = Vec::with_capacity(rows.len());
    for mut message in row::readable(&rows, read) {
        let update = Query::update()
            .table("outbox")
            .value("tries", i64::from(message.tries) + 1)
            .value("not_before", until.0)
            .cond_where(this(&message))
            .take();
        let result = transaction.execute(&update).await.map_err(store_error)?;
        if result.rows_affected() == 1 {
            message.tries += 1;
            message.not_before = until;
            taken.push(message);
        }
    }
    Ok(taken)
}

async fn settle(
    transaction: &DatabaseTransaction,
    message: &Message,
    fate: Fate,
    failure: Option<&str>,
) -> Result<()> {
    let update = |not_before: Timestamp| {
        Query::update()
            .table("outbox")
            .value("not_before", not_before.0)
            .value("failure", row::maybe_plain(failure))
            .cond_where(this(message))
            .take()
    };
    let update = match fate {
        Fate::Arrived | Fate::Dropped => return gone(transaction, message).await,
        Fate::Again { not_before } => update(not_before),
        Fate::Dead => update(message.not_before).value("dead", true).take(),
    };
    let result = transaction.execute(&update).await;
    match result.map_err(store_error)?.rows_affected() {
        1 => Ok(()),
        _ => Err(taken_by_another(message)),
    }
}

/// It goes, unless more was said while it was on its way: that is told then.
async fn gone(transaction: &DatabaseTransaction, message: &Message) -> Result<()> {
    let told = Expr::col("created_at").eq(message.created_at.0);
    let delete = Query::delete()
        .from_table("outbox")
        .cond_where(this(message))
        .and_where(told)
        .take();
    let deleted = transaction.execute(&delete).await.map_err(store_error)?;
    if deleted.rows_affected() == 1 {
        return Ok(());
    }
    let Some(more_at) = said_since(transaction, message).await? else {
        return Err(taken_by_another(message));
    };
    let again = Query::update()
        .table("outbox")
        .value("tries", 0_i64)
        .value("failure", Option::<String>::None)
        .value("not_before", more_at.0)
        .cond_where(this(message))
        .take();
    match transaction
        .execute(&again)
        .await
        .map_err(store_error)?
        .rows_affected()
    {
        1 => Ok(()),
        _ => Err(taken_by_another(message)),
    }
}

async fn revive(transaction: &DatabaseTransaction, job: &Id, now: Timestamp) -> Result<u64> {
    let update = Query::update()
        .table("outbox")
        .value("dead", false)
        .value("tries", 0_i64)
        .value("not_before", now.0)
        .and_where(Expr::col("id").eq(job.as_str()))
        .and_where(Expr::col("dead").eq(true))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    Ok(result.rows_affected())
}

/// Until when what was said since the message was taken gathers; none when the message is not there as it was taken.
async fn said_since(
    transaction: &DatabaseTransaction,
    message: &Message,
) -> Result<Option<Timestamp>> {
    let last = Query::select()
        .column("created_at")
        .from("outbox")
        .cond_where(this(message))
        .take();
    let started = Query::select()
        .column("started_at")
        .from("jobs")
        .and_where(Expr::col("id").eq(message.job.as_str()))
        .take();
    let last = transaction.query_one(&last).await.map_err(store_error)?;
    let started = transaction.query_one(&started).await.map_err(store_error)?;
    let (Some(last), Some(started)) = (last, started) else {
        return Ok(None);
    };
    let started: Option<i64> = row::get(&started, "started_at")?;
    let last = row::time(&last, "created_at")?;
    Ok(Some(gathered_until(started.map(Timestamp), last)))
}

/// What waits for an earlier message of its job is left out, and so takes no place from others.
fn due(limit: u32, now: Timestamp) -> SelectStatement {
    let of = |table: &'static str, column: &'static str| Expr::col((table, column));
    let earlier = Query::select()
        .expr(Expr::val(1))
        .from_as("outbox", "earlier")
        .and_where(of("earlier", "id").equals(("outbox", "id")))
        .and_where(of("earlier", "number").lt(of("outbox", "number")))
        .and_where(of("earlier", "dead").eq(false))
        .cond_where(holds_up("earlier"))
        .take();
    Query::select()
        .columns(COLUMNS)
        .from("outbox")
        .and_where(Expr::col("dead").eq(false))
        .and_where(Expr::col("not_before").lte(now.0))
        .and_where(Expr::exists(earlier).not())
        .order_by("not_before", Order::Asc)
        .order_by("id", Order::Asc)
        .order_by("number", Order::Asc)
        .limit(u64::from(limit))
        .take()
}

/// `Message::holds_up`.
fn holds_up(table: &'static str) -> SimpleExpr {
    let passing = WebhookEvent::ALL
        .into_iter()
        .filter(|event| event.is_passing());
    let is_passing = Expr::col((table, "event")).is_in(passing.map(WebhookEvent::name));
    let first_way = Expr::col((table, "tries"))
        .gt(0_i64)
        .and(Expr::col((table, "failure")).is_null());
    is_passing.not().or(first_way)
}

fn read(row: &QueryResult) -> Result<Message> {
    let event: String = row::get(row, "event")?;
    let unknown = || Error::internal(format!("webhook event `{event}` is not known"));
    Ok(Message {
        job: row::id(row)?,
        event: WebhookEvent::parse(&event).ok_or_else(unknown)?,
        url: row::get(row, "url")?,
        created_at: row::time(row, "created_at")?,
        tries: row::small(row, "tries")?,
        not_before: row::time(row, "not_before")?,
        failure: row::get(row, "failure")?,
    })
}
