//! Versions in SQL: numbered per model, moved from building to ready or failed.
//! Must not know how a version is built.

use super::{catalog, error::store_error, row};
use crate::store::rules;
use onstage_core::{
    Error, Result,
    config::ModelConfig,
    model::{NewVersion, Version, VersionId, VersionState},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, Func, Query, SelectStatement},
};

const COLUMNS: [&str; 14] = [
    "id",
    "model",
    "number",
    "state",
    "detail_json",
    "config_json",
    "examples_json",
    "bundle_key",
    "bundle_size_bytes",
    "bundle_sha256",
    "promote_when_ready",
    "created_at",
    "weights_json",
    "lineage_json",
];

pub(super) fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from("versions").take()
}

pub(super) fn select_one(id: &VersionId) -> SelectStatement {
    select().and_where(Expr::col("id").eq(id.0.as_str())).take()
}

pub(super) fn read(row: &QueryResult) -> Result<Version> {
    Ok(Version {
        id: VersionId(row::get(row, "id")?),
        model: row::parse(row, "model")?,
        number: row::small(row, "number")?,
        bundle: row::blob(row, "bundle")?,
        config: config(row)?,
        examples: row::get(row, "examples_json")?,
        state: row::json(row, "detail_json")?,
        promote_when_ready: row::get(row, "promote_when_ready")?,
        created_at: row::time(row, "created_at")?,
        weights: row::maybe_json(row, "weights_json")?,
        lineage: row::maybe_json(row, "lineage_json")?,
    })
}

fn config(row: &QueryResult) -> Result<ModelConfig> {
    let text: String = row::get(row, "config_json")?;
    ModelConfig::of_record(&text).map_err(|error| row::damaged("config_json", error))
}

pub(super) async fn add(
    transaction: &DatabaseTransaction,
    new: NewVersion,
) -> Result<(Version, bool)> {
    // One after the other for a model: its numbers have no gaps and no doubles.
    catalog::locked_model(transaction, &new.model).await?;
    let known = find(transaction, &new.id).await?;
    if let Some(known) = known {
        let Some(again) = rules::version_again(&known, new)? else {
            return Ok((known, false));
        };
        write(transaction, &known.state, &again).await?;
        catalog::changed(transaction).await?;
        return Ok((again, false));
    }
    let number = highest_number(transaction, &new).await? + 1;
    let version = rules::first_version(new, number);
    let insert = Query::insert()
        .into_table("versions")
        .columns(COLUMNS)
        .values_panic(values(&version))
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    catalog::changed(transaction).await?;
    Ok((version, true))
}

pub(super) async fn set_state(
    transaction: &DatabaseTransaction,
    id: &VersionId,
    to: VersionState,
) -> Result<Version> {
    let missing = || Error::not_found(format!("version `{id}` does not exist"));
    let known = find(transaction, id).await?.ok_or_else(missing)?;
    rules::check_version_step(&known, &to)?;
    if matches!(to, VersionState::Deleted) {
        let model = catalog::locked_model(transaction, &known.model).await?;
        rules::check_unused(&model, &known)?;
    }
    let next = Version {
        state: to,
        ..known.clone()
    };
    write(transaction, &known.state, &next).await?;
    catalog::changed(transaction).await?;
    Ok(next)
}

pub(super) async fn find(
    transaction: &DatabaseTransaction,
    id: &VersionId,
) -> Result<Option<Version>> {
    let select = select_one(id);
    let row = transaction.query_one(&select).await.map_err(store_error)?;
    row.as_ref().map(read).transpose()
}

async fn highest_number(transaction: &DatabaseTransaction, new: &NewVersion) -> Result<u32> {
    let select = Query::select()
        .expr_as(Func::max(Expr::col("number")), "highest")
        .from("versions")
        .and_where(Expr::col("model").eq(new.model.to_string()))
        .take();
    let row = transaction.query_one(&select).await.map_err(store_error)?;
    let highest = row.map(|row| row::get::<Option<i64>>(&row, "highest"));
    Ok(highest.transpose()?.flatten().unwrap_or(0) as u32)
}

/// Replaces the row if its state is still `before`.
async fn write(
    transaction: &DatabaseTransaction,
    before: &VersionState,
    after: &Version,
) -> Result<()> {
    let update = Query::update()
        .table("versions")
        .values(COLUMNS.into_iter().zip(values(after)).skip(1))
        .and_where(Expr::col("id").eq(after.id.0.as_str()))
        .and_where(Expr::col("state").eq(before.name()))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    if result.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "version `{}` was changed by somebody else",
        after.id
    )))
}

/// In the order of `COLUMNS`.
fn values(version: &Version) -> [Expr; 14] {
    [
        version.id.0.as_str().into(),
        version.model.to_string().into(),
        i64::from(version.number).into(),
        version.state.name().into(),
        row::to_json(&version.state).into(),
        row::to_json(&version.config).into(),
        version.examples.as_str().into(),
        version.bundle.key.as_str().into(),
        row::int(version.bundle.size_bytes).into(),
        version.bundle.sha256.as_str().into(),
        version.promote_when_ready.into(),
        version.created_at.0.into(),
        version.weights.as_ref().map(row::to_json).into(),
        version.lineage.as_ref().map(row::to_json).into(),
    ]
}
