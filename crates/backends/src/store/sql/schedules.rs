//! Schedules in SQL: the record as JSON, beside it what they are found by.
//! Must not know when a tick is.

use super::{SqlStore, catalog, dialect, error::store_error, row};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Id, ModelName, Result,
    ports::{Listed, Page, Schedules},
    schedule::Schedule,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

const COLUMNS: [&str; 6] = [
    "id",
    "model",
    "created_at",
    "due_at",
    "revision",
    "record_json",
];

#[async_trait]
impl Schedules for SqlStore {
    async fn add_schedule(&self, schedule: Schedule) -> Result<()> {
        self.write(schedule, |transaction, schedule| {
            Box::pin(add(transaction, schedule))
        })
        .await
    }

    async fn schedule(&self, id: &Id) -> Result<Option<Schedule>> {
        self.one(&select_one(id))
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    async fn schedules(&self, model: Option<&ModelName>, page: Page) -> Result<Listed<Schedule>> {
        let of_model = model.map(|model| Expr::col("model").eq(model.to_string()));
        let select = select().and_where_option(of_model).take();
        self.newest(select, "created_at", &page, read).await
    }

    async fn soonest_schedules(&self, limit: u32) -> Result<Vec<Schedule>> {
        let select = select()
            .and_where(Expr::col("due_at").is_not_null())
            .order_by("due_at", Order::Asc)
            .order_by("id", Order::Asc)
            .limit(u64::from(limit))
            .take();
        Ok(row::readable(&self.all(&select).await?, read))
    }

    async fn update_schedule(&self, schedule: Schedule) -> Result<Schedule> {
        self.write(schedule, |transaction, schedule| {
            Box::pin(update(transaction, schedule))
        })
        .await
    }

    async fn remove_schedule(&self, id: &Id) -> Result<()> {
        self.write(id.clone(), |transaction, id| {
            Box::pin(remove(transaction, id))
        })
        .await
    }
}

async fn add(transaction: &DatabaseTransaction, schedule: &Schedule) -> Result<()> {
    catalog::locked_model(transaction, &schedule.model).await?;
    let insert = Query::insert()
        .into_table("schedules")
        .columns(COLUMNS)
        .values_panic([
            schedule.id.as_str().into(),
            schedule.model.to_string().into(),
            schedule.created_at.0.into(),
            row::millis(schedule.due_at()).into(),
            row::int(schedule.revision).into(),
            row::to_json(schedule).into(),
        ])
        .take();
    match dialect::insert_once(transaction, insert, &["id"]).await? {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "schedule `{}` is there already",
            schedule.id
        ))),
    }
}

async fn update(transaction: &DatabaseTransaction, wanted: &Schedule) -> Result<Schedule> {
    let next = Schedule {
        revision: wanted.revision + 1,
        ..wanted.clone()
    };
    let update = Query::update()
        .table("schedules")
        .value("due_at", row::millis(next.due_at()))
        .value("revision", row::int(next.revision))
        .value("record_json", row::to_json(&next))
        .and_where(Expr::col("id").eq(next.id.as_str()))
        .and_where(Expr::col("revision").eq(row::int(wanted.revision)))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    if result.rows_affected() == 1 {
        return Ok(next);
    }
    let select = select_one(&wanted.id);
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    let known = read(&found.ok_or_else(|| rules::no_schedule(&wanted.id))?)?;
    rules::next_schedule(&known, wanted.clone())
}

async fn remove(transaction: &DatabaseTransaction, id: &Id) -> Result<()> {
    let delete = Query::delete()
        .from_table("schedules")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let result = transaction.execute(&delete).await.map_err(store_error)?;
    match result.rows_affected() {
        1 => Ok(()),
        _ => Err(rules::no_schedule(id)),
    }
}

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from("schedules").take()
}

fn select_one(id: &Id) -> SelectStatement {
    select().and_where(Expr::col("id").eq(id.as_str())).take()
}

fn read(row: &QueryResult) -> Result<Schedule> {
    row::json(row, "record_json")
}
