//! Datasets in SQL: versions numbered under the lock of their dataset's row, equal bytes kept once, uses by jobs.
//! Must not touch the bytes.

use super::{SqlStore, dialect, error::store_error, page, row};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Id, Result,
    dataset::{Dataset, DatasetName, DatasetRef, DatasetVersion, NewDatasetVersion},
    job::Job,
    ports::{Datasets, Listed, Page},
    value::BlobRef,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement},
};

const VERSIONS: &str = "dataset_versions";
const COLUMNS: [&str; 11] = [
    "dataset",
    "number",
    "blob_key",
    "blob_size_bytes",
    "blob_sha256",
    "file_name",
    "media_type",
    "format",
    "source_json",
    "principal",
    "created_at",
];

#[async_trait]
impl Datasets for SqlStore {
    async fn add_dataset_version(&self, new: NewDatasetVersion) -> Result<(DatasetVersion, bool)> {
        self.write(new, |transaction, new| {
            Box::pin(add(transaction, new.clone()))
        })
        .await
    }

    async fn dataset(&self, name: &DatasetName) -> Result<Option<Dataset>> {
        let select = select_datasets()
            .and_where(Expr::col((VERSIONS, "dataset")).eq(name.as_str()))
            .take();
        let found = self.one(&select).await?;
        found.as_ref().map(read_dataset).transpose()
    }

    async fn dataset_version(&self, which: &DatasetRef) -> Result<Option<DatasetVersion>> {
        let found = self.one(&select_one(which)).await?;
        found.as_ref().map(read).transpose()
    }

    async fn datasets(&self, page: Page<String>) -> Result<Listed<Dataset, String>> {
        let after = page.after;
        let select = select_datasets()
            .and_where_option(after.map(|after| Expr::col((VERSIONS, "dataset")).gt(after)))
            .order_by((VERSIONS, "dataset"), Order::Asc)
            .limit(u64::from(page.limit) + 1)
            .take();
        let rows = self.all(&select).await?;
        page::listed(&rows, page.limit, read_dataset, |row| {
            row::get(row, "dataset")
        })
    }

    async fn dataset_versions(
        &self,
        name: &DatasetName,
        page: Page<u32>,
    ) -> Result<Listed<DatasetVersion, u32>> {
        let older = page.after.map(i64::from);
        let select = select()
            .and_where(Expr::col("dataset").eq(name.as_str()))
            .and_where_option(older.map(|after| Expr::col("number").lt(after)))
            .order_by("number", Order::Desc)
            .limit(u64::from(page.limit) + 1)
            .take();
        let rows = self.all(&select).await?;
        page::listed(&rows, page.limit, read, |found| row::small(found, "number"))
    }

    async fn remove_dataset_version(&self, which: &DatasetRef) -> Result<(DatasetVersion, bool)> {
        self.write(which.clone(), |transaction, which| {
            Box::pin(remove(transaction, which))
        })
        .await
    }
}

async fn add(
    transaction: &DatabaseTransaction,
    new: NewDatasetVersion,
) -> Result<(DatasetVersion, bool)> {
    make(transaction, &new.dataset).await?;
    let last_number = lock(transaction, &new.dataset).await?;
    let newest = DatasetRef::newest(new.dataset.clone());
    let newest = find(transaction, select_one(&newest)).await?;
    if let Some(same) = newest.filter(|newest| newest.is_same(&new)) {
        return Ok((same, false));
    }
    let blob = blob_like(transaction, &new.blob).await?;
    let version = NewDatasetVersion {
        blob: blob.unwrap_or_else(|| new.blob.clone()),
        ..new
    }
    .numbered(last_number + 1);
    let insert = Query::insert()
        .into_table(VERSIONS)
        .columns(COLUMNS)
        .values_panic(values(&version))
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    let update = Query::update()
        .table("datasets")
        .value("last_number", i64::from(version.number))
        .value("newest", i64::from(version.number))
        .value("versions", Expr::col("versions").add(1_i64))
        .and_where(Expr::col("name").eq(version.dataset.as_str()))
        .take();
    transaction.execute(&update).await.map_err(store_error)?;
    Ok((version, true))
}

async fn make(transaction: &DatabaseTransaction, name: &DatasetName) -> Result<bool> {
    let insert = Query::insert()
        .into_table("datasets")
        .columns(["name", "last_number", "versions"])
        .values_panic([name.as_str().into(), 0_i64.into(), 0_i64.into()])
        .take();
    dialect::insert_once(transaction, insert, &["name"]).await
}

/// Makes other changes of the dataset wait; answers the last number that was given.
async fn lock(transaction: &DatabaseTransaction, name: &DatasetName) -> Result<u32> {
    let select = Query::select()
        .column("last_number")
        .from("datasets")
        .and_where(Expr::col("name").eq(name.as_str()))
        .lock(LockType::Update)
        .take();
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    found.map_or(Ok(0), |found| row::small(&found, "last_number"))
}

async fn remove(
    transaction: &DatabaseTransaction,
    which: &DatasetRef,
) -> Result<(DatasetVersion, bool)> {
    let missing = || rules::no_dataset(which);
    lock(transaction, &which.name).await?;
    let select = select_one(which).lock(LockType::Update).take();
    let version = find(transaction, select).await?.ok_or_else(missing)?;
    let exactly = version.reference();
    if let Some(job) = user(transaction, &exactly).await? {
        return Err(rules::dataset_in_use(&exactly, &job));
    }
    let delete = Query::delete()
        .from_table(VERSIONS)
        .and_where(Expr::col("dataset").eq(version.dataset.as_str()))
        .and_where(Expr::col("number").eq(i64::from(version.number)))
        .take();
    let result = transaction.execute(&delete).await.map_err(store_error)?;
    if result.rows_affected() == 0 {
        return Err(missing());
    }
    let newest = DatasetRef::newest(version.dataset.clone());
    let newest = find(transaction, select_one(&newest)).await?;
    let update = Query::update()
        .table("datasets")
        .value("newest", newest.map(|newest| i64::from(newest.number)))
        .value("versions", Expr::col("versions").sub(1_i64))
        .and_where(Expr::col("name").eq(version.dataset.as_str()))
        .take();
    transaction.execute(&update).await.map_err(store_error)?;
    let last = !is_kept(transaction, &version.blob).await?;
    Ok((version, last))
}

/// Notes what a job that is being submitted refers to. A version that is being removed is waited for, and then is missing.
pub(super) async fn use_by(transaction: &DatabaseTransaction, job: &Job) -> Result<()> {
    for which in job.spec.datasets() {
        let select = select_one(rules::exactly(which)?)
            .lock(LockType::Update)
            .take();
        let version = find(transaction, select).await?;
        let version = version.ok_or_else(|| rules::no_dataset(which))?;
        let insert = Query::insert()
            .into_table("dataset_uses")
            .columns(["job", "dataset", "number"])
            .values_panic([
                job.id.as_str().into(),
                version.dataset.as_str().into(),
                i64::from(version.number).into(),
            ])
            .take();
        dialect::insert_once(transaction, insert, &["job", "dataset", "number"]).await?;
    }
    Ok(())
}

/// A job that refers to a version.
async fn user(transaction: &DatabaseTransaction, which: &DatasetRef) -> Result<Option<Id>> {
    let select = Query::select()
        .column("job")
        .from("dataset_uses")
        .and_where(Expr::col("dataset").eq(which.name.as_str()))
        .and_where(Expr::col("number").eq(which.number.map(i64::from)))
        .limit(1)
        .take();
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    found.map(|found| row::parse(&found, "job")).transpose()
}

/// Where equal bytes are kept; the row that says so stays as long as this transaction.
async fn blob_like(transaction: &DatabaseTransaction, blob: &BlobRef) -> Result<Option<BlobRef>> {
    let select = select()
        .and_where(Expr::col("blob_sha256").eq(blob.sha256.as_str()))
        .limit(1)
        .lock(LockType::Update)
        .take();
    let found = find(transaction, select).await?;
    Ok(found.map(|version| version.blob))
}

/// Whether a version has this very blob: two fronts at once may have kept equal bytes twice.
async fn is_kept(transaction: &DatabaseTransaction, blob: &BlobRef) -> Result<bool> {
    let select = select()
        .and_where(Expr::col("blob_sha256").eq(blob.sha256.as_str()))
        .and_where(Expr::col("blob_key").eq(blob.key.as_str()))
        .limit(1)
        .lock(LockType::Update)
        .take();
    Ok(find(transaction, select).await?.is_some())
}

async fn find(
    transaction: &DatabaseTransaction,
    select: SelectStatement,
) -> Result<Option<DatasetVersion>> {
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    found.as_ref().map(read).transpose()
}

fn select() -> SelectStatement {
    let columns = COLUMNS.map(|column| (VERSIONS, column));
    Query::select().columns(columns).from(VERSIONS).take()
}

/// The newest version of each dataset.
fn select_datasets() -> SelectStatement {
    let newest = Expr::col(("datasets", "name"))
        .equals((VERSIONS, "dataset"))
        .and(Expr::col(("datasets", "newest")).equals((VERSIONS, "number")));
    select()
        .column(("datasets", "versions"))
        .inner_join("datasets", newest)
        .take()
}

fn select_one(which: &DatasetRef) -> SelectStatement {
    let number = which.number.map(i64::from);
    select()
        .and_where(Expr::col("dataset").eq(which.name.as_str()))
        .and_where_option(number.map(|number| Expr::col("number").eq(number)))
        .order_by("number", Order::Desc)
        .limit(1)
        .take()
}

/// In the order of `COLUMNS`.
fn values(version: &DatasetVersion) -> [Expr; 11] {
    [
        version.dataset.as_str().into(),
        i64::from(version.number).into(),
        version.blob.key.as_str().into(),
        row::int(version.blob.size_bytes).into(),
        version.blob.sha256.as_str().into(),
        row::plain(&version.file_name).into(),
        row::plain(&version.media_type).into(),
        version.format.name().into(),
        row::to_json(&version.source).into(),
        version.by.as_str().into(),
        version.created_at.0.into(),
    ]
}

fn read(row: &QueryResult) -> Result<DatasetVersion> {
    Ok(DatasetVersion {
        dataset: row::parse(row, "dataset")?,
        number: row::small(row, "number")?,
        blob: row::blob(row, "blob")?,
        file_name: row::get(row, "file_name")?,
        media_type: row::get(row, "media_type")?,
        format: row::word(row, "format")?,
        source: row::json(row, "source_json")?,
        by: row::parse(row, "principal")?,
        created_at: row::time(row, "created_at")?,
    })
}

fn read_dataset(row: &QueryResult) -> Result<Dataset> {
    Ok(Dataset {
        newest: read(row)?,
        versions: row::small(row, "versions")?,
    })
}
