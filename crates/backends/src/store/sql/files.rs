//! Uploaded files in SQL.
//! Must not touch the bytes.

use super::{SqlStore, error::store_error, row};
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result,
    file::File,
    ports::{Files, Listed, Page},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

const COLUMNS: [&str; 9] = [
    "id",
    "name",
    "media_type",
    "blob_key",
    "blob_size_bytes",
    "blob_sha256",
    "metadata_json",
    "principal",
    "created_at",
];

#[async_trait]
impl Files for SqlStore {
    async fn add_file(&self, file: File) -> Result<()> {
        self.write(file, |transaction, file| Box::pin(add(transaction, file)))
            .await
    }

    async fn file(&self, id: &Id) -> Result<Option<File>> {
        self.one(&by_id(id)).await?.as_ref().map(read).transpose()
    }

    async fn files(&self, page: Page) -> Result<Listed<File>> {
        let select = select().take();
        self.newest(select, "created_at", &page, read).await
    }

    async fn remove_file(&self, id: &Id) -> Result<File> {
        self.write(id.clone(), |transaction, id| {
            Box::pin(remove(transaction, id))
        })
        .await
    }
}

async fn add(transaction: &DatabaseTransaction, file: &File) -> Result<()> {
    let insert = Query::insert()
        .into_table("files")
        .columns(COLUMNS)
        .values_panic([
            file.id.as_str().into(),
            row::plain(&file.name).into(),
            row::plain(&file.media_type).into(),
            file.blob.key.as_str().into(),
            row::int(file.blob.size_bytes).into(),
            file.blob.sha256.as_str().into(),
            file.metadata.as_str().into(),
            file.by.as_str().into(),
            file.created_at.0.into(),
        ])
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

/// Of two that remove it, the one whose delete hit the row has it.
async fn remove(transaction: &DatabaseTransaction, id: &Id) -> Result<File> {
    let missing = || Error::not_found(format!("file `{id}` does not exist"));
    let select = by_id(id);
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    let file = read(&found.ok_or_else(missing)?)?;
    let delete = Query::delete()
        .from_table("files")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let result = transaction.execute(&delete).await.map_err(store_error)?;
    match result.rows_affected() {
        1 => Ok(file),
        _ => Err(missing()),
    }
}

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from("files").take()
}

fn by_id(id: &Id) -> SelectStatement {
    select().and_where(Expr::col("id").eq(id.as_str())).take()
}

fn read(row: &QueryResult) -> Result<File> {
    Ok(File {
        id: row::id(row)?,
        name: row::get(row, "name")?,
        media_type: row::get(row, "media_type")?,
        blob: row::blob(row, "blob")?,
        metadata: row::get(row, "metadata_json")?,
        by: row::parse(row, "principal")?,
        created_at: row::time(row, "created_at")?,
    })
}
