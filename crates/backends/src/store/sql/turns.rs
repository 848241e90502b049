//! Whose turn it is, in SQL: who has jobs queued, found by steps along an index, and when each was last served.
//! Must not decide who comes next; `onstage_core::fair` does.

use super::{error::store_error, row, trainings::in_lane};
use onstage_core::{Id, Result, fair::Waiting, model::VersionId, task::Lane};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement},
};
use std::collections::HashMap;

/// Turns this long ago count as none; they are forgotten now and then.
const TURNS_KEPT: u64 = 10_000;
/// How often old turns are forgotten, in turns.
const FORGET_EVERY: u64 = 512;

/// Everybody with queued jobs of a version and lane, and the number of its latest turn. One step along the index a person, however much
/// each has queued.
pub(super) async fn waiting(
    transaction: &DatabaseTransaction,
    version: &VersionId,
    lane: Lane,
) -> Result<(Vec<Waiting>, u64)> {
    let turns = turns(transaction, version).await?;
    let latest = turns.values().copied().max().unwrap_or(0);
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        let after = waiting.last().map(|one| &one.by);
        let next = next_person(version, lane, after);
        let found = transaction.query_one(&next).await.map_err(store_error)?;
        let Some(found) = found else {
            return Ok((waiting, latest));
        };
        let by: Id = row::parse(&found, "principal")?;
        let turn = turns.get(by.as_str()).copied().unwrap_or(0);
        waiting.push(Waiting { by, turn });
    }
}

/// Somebody was served.
pub(super) async fn served(
    transaction: &DatabaseTransaction,
    version: &VersionId,
    one: &Waiting,
) -> Result<()> {
    let insert = Query::insert()
        .into_table("turns")
        .columns(["version", "principal", "turn"])
        .values_panic([
            version.0.as_str().into(),
            one.by.as_str().into(),
            row::int(one.turn).into(),
        ])
        .on_conflict(
            OnConflict::columns(["version", "principal"])
                .update_column("turn")
                .to_owned(),
        )
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    if one.turn.is_multiple_of(FORGET_EVERY) {
        let oldest = row::int(one.turn.saturating_sub(TURNS_KEPT));
        let delete = Query::delete()
            .from_table("turns")
            .and_where(Expr::col("version").eq(version.0.as_str()))
            .and_where(Expr::col("turn").lt(oldest))
            .take();
        transaction.execute(&delete).await.map_err(store_error)?;
    }
    Ok(())
}

async fn turns(
    transaction: &DatabaseTransaction,
    version: &VersionId,
) -> Result<HashMap<String, u64>> {
    let select = Query::select()
        .columns(["principal", "turn"])
        .from("turns")
        .and_where(Expr::col("version").eq(version.0.as_str()))
        .take();
    let found = transaction.query_all(&select).await.map_err(store_error)?;
    let turn = |found: &_| Ok((row::get(found, "principal")?, row::count(found, "turn")?));
    found.iter().map(turn).collect()
}

pub(super) fn next_person(version: &VersionId, lane: Lane, after: Option<&Id>) -> SelectStatement {
    let mut select = Query::select()
        .column("principal")
        .from("jobs")
        .and_where(Expr::col("state").eq("queued"))
        .and_where(Expr::col("version").eq(version.0.as_str()))
        .and_where(in_lane(lane))
        .order_by("principal", Order::Asc)
        .limit(1)
        .take();
    if let Some(after) = after {
        select.and_where(Expr::col("principal").gt(after.as_str()));
    }
    select
}
