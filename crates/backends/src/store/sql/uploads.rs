//! Uploads in SQL: each row is locked while its parts change.
//! Must not touch the bytes.

use super::{SqlStore, error::store_error, row};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Id, Result, Timestamp,
    dataset::DatasetFormat,
    ports::Uploads,
    upload::{Made, Upload, UploadPart},
    value::BlobRef,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement},
};

const COLUMNS: [&str; 11] = [
    "id",
    "name",
    "media_type",
    "size_bytes",
    "part_bytes",
    "dataset",
    "format",
    "principal",
    "created_at",
    "touched_at",
    "made_json",
];
const PARTS: &str = "upload_parts";
const PART_COLUMNS: [&str; 5] = [
    "upload",
    "part",
    "blob_key",
    "blob_size_bytes",
    "blob_sha256",
];

#[async_trait]
impl Uploads for SqlStore {
    async fn add_upload(&self, upload: Upload) -> Result<()> {
        self.write(upload, |transaction, upload| {
            Box::pin(add(transaction, upload))
        })
        .await
    }

    async fn upload(&self, id: &Id) -> Result<Option<(Upload, Vec<UploadPart>)>> {
        let Some(found) = self.one(&select_one(id)).await? else {
            return Ok(None);
        };
        let parts = self.all(&select_parts(id)).await?;
        let parts = parts.iter().map(read_part).collect::<Result<_>>()?;
        Ok(Some((read(&found)?, parts)))
    }

    async fn put_part(&self, id: &Id, part: UploadPart, now: Timestamp) -> Result<Option<BlobRef>> {
        self.write((id.clone(), part), move |transaction, (id, part)| {
            Box::pin(put(transaction, id, part, now))
        })
        .await
    }

    async fn complete_upload(&self, id: &Id, made: Made) -> Result<()> {
        self.write((id.clone(), made), |transaction, (id, made)| {
            Box::pin(complete(transaction, id, made))
        })
        .await
    }

    async fn remove_upload(&self, id: &Id) -> Result<()> {
        self.write(id.clone(), |transaction, id| {
            Box::pin(remove(transaction, id))
        })
        .await
    }

    async fn idle_uploads(&self, since: Timestamp, limit: u32) -> Result<Vec<Id>> {
        let select = Query::select()
            .column("id")
            .from("uploads")
            .and_where(Expr::col("touched_at").lt(since.0))
            .limit(u64::from(limit))
            .take();
        Ok(row::readable(&self.all(&select).await?, row::id))
    }
}

async fn add(transaction: &DatabaseTransaction, upload: &Upload) -> Result<()> {
    let insert = Query::insert()
        .into_table("uploads")
        .columns(COLUMNS)
        .values_panic([
            upload.id.as_str().into(),
            row::plain(&upload.name).into(),
            row::plain(&upload.media_type).into(),
            row::int(upload.size_bytes).into(),
            row::int(upload.part_bytes).into(),
            upload.dataset.as_ref().map(ToString::to_string).into(),
            upload.format.map(DatasetFormat::name).into(),
            upload.by.as_str().into(),
            upload.created_at.0.into(),
            upload.touched_at.0.into(),
            upload.made.as_ref().map(row::to_json).into(),
        ])
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

async fn put(
    transaction: &DatabaseTransaction,
    id: &Id,
    part: &UploadPart,
    now: Timestamp,
) -> Result<Option<BlobRef>> {
    if lock(transaction, id).await?.made.is_some() {
        return Err(rules::upload_is_complete(id));
    }
    let number = i64::from(part.number);
    let select = select_parts(id)
        .and_where(Expr::col("part").eq(number))
        .take();
    let before = transaction.query_one(&select).await.map_err(store_error)?;
    let before = before.as_ref().map(read_part).transpose()?;
    let delete = Query::delete()
        .from_table(PARTS)
        .and_where(Expr::col("upload").eq(id.as_str()))
        .and_where(Expr::col("part").eq(number))
        .take();
    transaction.execute(&delete).await.map_err(store_error)?;
    let insert = Query::insert()
        .into_table(PARTS)
        .columns(PART_COLUMNS)
        .values_panic([
            id.as_str().into(),
            number.into(),
            part.blob.key.as_str().into(),
            row::int(part.blob.size_bytes).into(),
            part.blob.sha256.as_str().into(),
        ])
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    let touch = Query::update()
        .table("uploads")
        .value("touched_at", now.0)
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    transaction.execute(&touch).await.map_err(store_error)?;
    Ok(before.map(|part| part.blob))
}

async fn complete(transaction: &DatabaseTransaction, id: &Id, made: &Made) -> Result<()> {
    if lock(transaction, id).await?.made.is_none() {
        let update = Query::update()
            .table("uploads")
            .value("made_json", row::to_json(made))
            .and_where(Expr::col("id").eq(id.as_str()))
            .take();
        transaction.execute(&update).await.map_err(store_error)?;
    }
    let delete = Query::delete()
        .from_table(PARTS)
        .and_where(Expr::col("upload").eq(id.as_str()))
        .take();
    transaction.execute(&delete).await.map_err(store_error)?;
    Ok(())
}

/// The parts' rows go with the upload's by their foreign key.
async fn remove(transaction: &DatabaseTransaction, id: &Id) -> Result<()> {
    let delete = Query::delete()
        .from_table("uploads")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let result = transaction.execute(&delete).await.map_err(store_error)?;
    match result.rows_affected() {
        0 => Err(rules::no_upload(id)),
        _ => Ok(()),
    }
}

async fn lock(transaction: &DatabaseTransaction, id: &Id) -> Result<Upload> {
    let select = select_one(id).lock(LockType::Update).take();
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    read(&found.ok_or_else(|| rules::no_upload(id))?)
}

fn select_one(id: &Id) -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("uploads")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take()
}

fn select_parts(id: &Id) -> SelectStatement {
    Query::select()
        .columns(PART_COLUMNS)
        .from(PARTS)
        .and_where(Expr::col("upload").eq(id.as_str()))
        .order_by("part", Order::Asc)
        .take()
}

fn read(row: &QueryResult) -> Result<Upload> {
    let dataset = row::get::<Option<String>>(row, "dataset")?;
    let format = row::get::<Option<String>>(row, "format")?;
    Ok(Upload {
        id: row::id(row)?,
        name: row::get(row, "name")?,
        media_type: row::get(row, "media_type")?,
        size_bytes: row::count(row, "size_bytes")?,
        part_bytes: row::count(row, "part_bytes")?,
        dataset: dataset.map(|_| row::parse(row, "dataset")).transpose()?,
        format: format.map(|_| row::word(row, "format")).transpose()?,
        by: row::parse(row, "principal")?,
        created_at: row::time(row, "created_at")?,
        touched_at: row::time(row, "touched_at")?,
        made: row::maybe_json(row, "made_json")?,
    })
}

fn read_part(row: &QueryResult) -> Result<UploadPart> {
    Ok(UploadPart {
        number: row::small(row, "part")?,
        blob: row::blob(row, "blob")?,
    })
}
