//! Durable state of models in SQL: keys to JSON text, with counters that lose no addition.
//! Must not know which model asks or why.

use super::{SqlStore, dialect, error::store_error, row};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Result,
    limits::STATE_ITEMS_MAX,
    ports::{AppState, StateOp},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order,
    sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Query, SelectStatement},
};

const COLUMNS: [&str; 3] = ["space", "name", "value_json"];
/// How often an addition is tried again after somebody else was first.
const TRIES_MAX: u32 = 32;

#[async_trait]
impl AppState for SqlStore {
    async fn state(&self, space: &str, key: &str, op: StateOp) -> Result<String> {
        rules::check_state_key(key)?;
        let (space, key) = (space.to_owned(), key.to_owned());
        match op {
            StateOp::Get => {
                let found = self.one(&by_key(&space, &key)).await?;
                found.map_or(Ok("null".to_owned()), |found| {
                    row::get(&found, "value_json")
                })
            }
            StateOp::Items => self.items(&space, &key).await,
            StateOp::Add(by) => {
                self.write((space, key), move |transaction, (space, key)| {
                    Box::pin(add(transaction, space, key, by))
                })
                .await
            }
            StateOp::Put(json) => {
                rules::check_state_value(&key, &json)?;
                self.write((space, key, json), |transaction, (space, key, json)| {
                    Box::pin(put(transaction, space, key, json))
                })
                .await
            }
        }
    }
}

impl SqlStore {
    async fn items(&self, space: &str, prefix: &str) -> Result<String> {
        // No text that starts with the prefix sorts after the prefix and the greatest character.
        let end = format!("{prefix}{}", char::MAX);
        let select = Query::select()
            .columns(COLUMNS)
            .from("app_state")
            .and_where(Expr::col("space").eq(space))
            .and_where(Expr::col("name").gte(prefix))
            .and_where(Expr::col("name").lt(end))
            .order_by("name", Order::Asc)
            .limit(STATE_ITEMS_MAX as u64)
            .take();
        let rows = self.all(&select).await?;
        let pair = |found| Ok((row::get(found, "name")?, row::get(found, "value_json")?));
        let pairs: Vec<(String, String)> = rows.iter().map(pair).collect::<Result<_>>()?;
        rules::items_text(
            pairs
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        )
    }
}

/// Reads, adds, and writes if the value is still the one that was read.
async fn add(transaction: &DatabaseTransaction, space: &str, key: &str, by: f64) -> Result<String> {
    for _ in 0..TRIES_MAX {
        let select = by_key(space, key);
        let found = transaction.query_one(&select).await.map_err(store_error)?;
        let there: Option<String> = found
            .map(|found| row::get(&found, "value_json"))
            .transpose()?;
        let value = rules::added(space, key, there.as_deref(), by)?;
        let written = match &there {
            None => {
                let insert = insert(space, key, &value);
                dialect::insert_once(transaction, insert, &["space", "name"]).await?
            }
            Some(there) => replace(transaction, space, key, there, &value).await?,
        };
        if written {
            return Ok(value);
        }
    }
    Err(Error::unavailable(format!(
        "state `{key}` of `{space}` is changed by too many at once"
    )))
}

async fn put(
    transaction: &DatabaseTransaction,
    space: &str,
    key: &str,
    json: &str,
) -> Result<String> {
    if json.trim() == "null" {
        let delete = Query::delete()
            .from_table("app_state")
            .and_where(Expr::col("space").eq(space))
            .and_where(Expr::col("name").eq(key))
            .take();
        transaction.execute(&delete).await.map_err(store_error)?;
    } else {
        let overwrite = OnConflict::columns(["space", "name"])
            .update_column("value_json")
            .to_owned();
        let insert = insert(space, key, json).on_conflict(overwrite).take();
        transaction.execute(&insert).await.map_err(store_error)?;
    }
    Ok("null".to_owned())
}

fn insert(space: &str, key: &str, json: &str) -> InsertStatement {
    Query::insert()
        .into_table("app_state")
        .columns(COLUMNS)
        .values_panic([space.into(), key.into(), json.into()])
        .take()
}

async fn replace(
    transaction: &DatabaseTransaction,
    space: &str,
    key: &str,
    there: &str,
    value: &str,
) -> Result<bool> {
    let update = Query::update()
        .table("app_state")
        .value("value_json", value)
        .and_where(Expr::col("space").eq(space))
        .and_where(Expr::col("name").eq(key))
        .and_where(Expr::col("value_json").eq(there))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    Ok(result.rows_affected() == 1)
}

fn by_key(space: &str, key: &str) -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("app_state")
        .and_where(Expr::col("space").eq(space))
        .and_where(Expr::col("name").eq(key))
        .take()
}
