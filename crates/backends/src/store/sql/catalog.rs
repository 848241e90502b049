//! Models in SQL, and the revision that changes with every change of the catalog.
//! Must not know how a version is built.

use super::{SqlStore, dialect, error::store_error, migrations, page, row, versions};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    ModelName, Result,
    model::{Model, NewVersion, Version, VersionId, VersionState},
    ports::{Catalog, Listed, Page},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, LockType, OnConflict, Query, SelectStatement},
};
use std::collections::HashSet;

const COLUMNS: [&str; 8] = [
    "name",
    "title",
    "about",
    "live",
    "previous",
    "revision",
    "created_at",
    "aliases_json",
];
const CATALOG_REVISION: &str = "catalog_revision";

#[async_trait]
impl Catalog for SqlStore {
    async fn ensure_model(&self, model: Model) -> Result<Model> {
        if let Some(known) = self.model(&model.name).await? {
            return Ok(known);
        }
        self.write(model, |transaction, model| {
            Box::pin(ensure(transaction, model.clone()))
        })
        .await
    }

    async fn model(&self, name: &ModelName) -> Result<Option<Model>> {
        self.one(&select_one(name))
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    async fn models(&self, page: Page<String>) -> Result<Listed<Model, String>> {
        let select = select()
            .and_where_option(page.after.map(|after| Expr::col("name").gt(after)))
            .order_by("name", Order::Asc)
            .limit(u64::from(page.limit) + 1)
            .take();
        let rows = self.all(&select).await?;
        page::listed(&rows, page.limit, read, |row| row::get(row, "name"))
    }

    async fn update_model(&self, model: Model) -> Result<Model> {
        self.write(model, |transaction, model| {
            Box::pin(update(transaction, model.clone()))
        })
        .await
    }

    async fn delete_model(&self, name: &ModelName) -> Result<()> {
        self.remove_model(name).await
    }

    async fn add_version(&self, new: NewVersion) -> Result<(Version, bool)> {
        self.write(new, |transaction, new| {
            Box::pin(versions::add(transaction, new.clone()))
        })
        .await
    }

    async fn version(&self, id: &VersionId) -> Result<Option<Version>> {
        let row = self.one(&versions::select_one(id)).await?;
        row.as_ref().map(versions::read).transpose()
    }

    async fn versions(&self, model: &ModelName) -> Result<Vec<Version>> {
        let select = versions::select()
            .and_where(Expr::col("model").eq(model.to_string()))
            .order_by("number", Order::Desc)
            .take();
        Ok(row::readable(&self.all(&select).await?, versions::read))
    }

    async fn building(&self) -> Result<Vec<Version>> {
        let select = versions::select()
            .and_where(Expr::col("state").eq("building"))
            .order_by("created_at", Order::Asc)
            .order_by("id", Order::Asc)
            .take();
        Ok(row::readable(&self.all(&select).await?, versions::read))
    }

    async fn set_version_state(&self, id: &VersionId, state: VersionState) -> Result<Version> {
        self.write((id.clone(), state), |transaction, (id, state)| {
            Box::pin(versions::set_state(transaction, id, state.clone()))
        })
        .await
    }

    async fn catalog_revision(&self) -> Result<u64> {
        let found = self
            .one(&migrations::select_number(CATALOG_REVISION))
            .await?;
        migrations::number_of(found.as_ref())
    }
}

/// Raises the catalog's revision.
pub(super) async fn changed(transaction: &DatabaseTransaction) -> Result<()> {
    let insert = Query::insert()
        .into_table("meta")
        .columns(["name", "value"])
        .values_panic([CATALOG_REVISION.into(), 1_i64.into()])
        .on_conflict(
            OnConflict::column("name")
                .value("value", Expr::col(("meta", "value")).add(1_i64))
                .to_owned(),
        )
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

/// The model as it is there; not found when it is not.
pub(super) async fn model(transaction: &DatabaseTransaction, name: &ModelName) -> Result<Model> {
    let select = select_one(name);
    let row = transaction.query_one(&select).await.map_err(store_error)?;
    read(&row.ok_or_else(|| rules::no_model(name))?)
}

/// The same, and nobody else changes it until the transaction ends.
pub(super) async fn locked_model(
    transaction: &DatabaseTransaction,
    name: &ModelName,
) -> Result<Model> {
    let select = select_one(name).lock(LockType::Update).take();
    let row = transaction.query_one(&select).await.map_err(store_error)?;
    read(&row.ok_or_else(|| rules::no_model(name))?)
}

/// Which of these models are there; they stay until the transaction ends.
pub(super) async fn held<'a>(
    transaction: &DatabaseTransaction,
    names: impl IntoIterator<Item = &'a ModelName>,
) -> Result<HashSet<String>> {
    let names = names.into_iter().map(ToString::to_string);
    let select = Query::select()
        .column("name")
        .from("models")
        .and_where(Expr::col("name").is_in(names))
        .take();
    let rows = dialect::hold(transaction, select).await?;
    rows.iter().map(|row| row::get(row, "name")).collect()
}

async fn ensure(transaction: &DatabaseTransaction, new: Model) -> Result<Model> {
    let insert = Query::insert()
        .into_table("models")
        .columns(COLUMNS)
        .values_panic([
            new.name.to_string().into(),
            row::plain(&new.title).into(),
            row::plain(&new.about).into(),
            new.live.as_ref().map(|id| id.0.clone()).into(),
            new.previous.as_ref().map(|id| id.0.clone()).into(),
            row::int(new.revision).into(),
            new.created_at.0.into(),
            aliases(&new).into(),
        ])
        .take();
    if !dialect::insert_once(transaction, insert, &["name"]).await? {
        return model(transaction, &new.name).await;
    }
    changed(transaction).await?;
    Ok(new)
}

async fn update(transaction: &DatabaseTransaction, wanted: Model) -> Result<Model> {
    // Locked: no version goes while it goes live or an alias comes to point at it.
    let known = locked_model(transaction, &wanted.name).await?;
    let next = rules::next_model(&known, wanted)?;
    if let Some(live) = next.live.as_ref().filter(|_| next.live != known.live) {
        let version = versions::find(transaction, live).await?;
        rules::check_live(&next.name, live, version.as_ref())?;
    }
    for (alias, to) in rules::moved_aliases(&known, &next) {
        let version = versions::find(transaction, &to.version).await?;
        rules::check_alias(&next.name, (alias, to), version.as_ref())?;
    }
    let update = Query::update()
        .table("models")
        .value("title", row::plain(&next.title))
        .value("about", row::plain(&next.about))
        .value("live", next.live.as_ref().map(|id| id.0.clone()))
        .value("previous", next.previous.as_ref().map(|id| id.0.clone()))
        .value("aliases_json", aliases(&next))
        .value("revision", row::int(next.revision))
        .and_where(Expr::col("name").eq(next.name.to_string()))
        .and_where(Expr::col("revision").eq(row::int(known.revision)))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    if result.rows_affected() == 0 {
        let now = model(transaction, &next.name).await?;
        return rules::next_model(
            &now,
            Model {
                revision: known.revision,
                ..next
            },
        );
    }
    changed(transaction).await?;
    Ok(next)
}

/// Null where there are none, as in the rows of old.
fn aliases(of: &Model) -> Option<String> {
    (!of.aliases.is_empty()).then(|| row::to_json(&of.aliases))
}

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from("models").take()
}

pub(super) fn select_one(name: &ModelName) -> SelectStatement {
    select()
        .and_where(Expr::col("name").eq(name.to_string()))
        .take()
}

fn read(row: &QueryResult) -> Result<Model> {
    Ok(Model {
        name: row::parse(row, "name")?,
        title: row::get(row, "title")?,
        about: row::get(row, "about")?,
        live: row::get::<Option<String>>(row, "live")?.map(VersionId),
        previous: row::get::<Option<String>>(row, "previous")?.map(VersionId),
        revision: row::count(row, "revision")?,
        created_at: row::time(row, "created_at")?,
        aliases: row::maybe_json(row, "aliases_json")?.unwrap_or_default(),
    })
}
