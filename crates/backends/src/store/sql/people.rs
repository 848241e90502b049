//! Credentials in SQL.
//! Must not see a secret; it holds their hashes.

use super::{SqlStore, error::store_error, row};
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result, Timestamp,
    people::{Credential, CredentialKind},
    ports::{Listed, Page, People},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

const COLUMNS: [&str; 8] = [
    "id",
    "kind",
    "secret_sha256",
    "role",
    "name",
    "created_at",
    "expires_at",
    "last_used_at",
];

#[async_trait]
impl People for SqlStore {
    async fn add_credential(&self, credential: Credential) -> Result<()> {
        self.write(credential, |transaction, credential| {
            Box::pin(add(transaction, credential))
        })
        .await
    }

    async fn credential(&self, secret_sha256: &str) -> Result<Option<Credential>> {
        let row = self.one(&by_secret(secret_sha256)).await?;
        row.as_ref().map(read).transpose()
    }

    async fn take_credential(&self, secret_sha256: &str) -> Result<Option<Credential>> {
        self.write(secret_sha256.to_owned(), |transaction, secret_sha256| {
            Box::pin(take(transaction, secret_sha256))
        })
        .await
    }

    async fn credentials(&self, kind: CredentialKind, page: Page) -> Result<Listed<Credential>> {
        let select = select()
            .and_where(Expr::col("kind").eq(row::to_word(&kind)))
            .take();
        self.newest(select, "created_at", &page, read).await
    }

    async fn remove_credential(&self, id: &Id) -> Result<()> {
        self.write(id.clone(), |transaction, id| {
            Box::pin(async move {
                let there = remove(transaction, id).await?;
                there.then_some(()).ok_or_else(|| no_credential(id))
            })
        })
        .await
    }

    async fn touch_credential(&self, id: &Id, now: Timestamp) -> Result<()> {
        self.write(id.clone(), move |transaction, id| {
            Box::pin(touch(transaction, id, now))
        })
        .await
    }

    async fn sweep_credentials(&self, now: Timestamp) -> Result<u64> {
        self.write((), move |transaction, ()| Box::pin(sweep(transaction, now)))
            .await
    }
}

async fn add(transaction: &DatabaseTransaction, credential: &Credential) -> Result<()> {
    let insert = Query::insert()
        .into_table("credentials")
        .columns(COLUMNS)
        .values_panic([
            credential.id.as_str().into(),
            row::to_word(&credential.kind).into(),
            credential.secret_sha256.as_str().into(),
            row::to_word(&credential.role).into(),
            row::plain(&credential.name).into(),
            credential.created_at.0.into(),
            row::millis(credential.expires_at).into(),
            row::millis(credential.last_used_at).into(),
        ])
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

/// Of two that read it, only the one whose delete removed the row has it.
async fn take(
    transaction: &DatabaseTransaction,
    secret_sha256: &str,
) -> Result<Option<Credential>> {
    let once = by_secret(secret_sha256)
        .and_where(Expr::col("kind").eq(row::to_word(&CredentialKind::LoginLink)))
        .take();
    let found = transaction.query_one(&once).await.map_err(store_error)?;
    let Some(found) = found else { return Ok(None) };
    let credential = read(&found)?;
    let mine = remove(transaction, &credential.id).await?;
    Ok(mine.then_some(credential))
}

async fn remove(transaction: &DatabaseTransaction, id: &Id) -> Result<bool> {
    let delete = Query::delete()
        .from_table("credentials")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let result = transaction.execute(&delete).await.map_err(store_error)?;
    Ok(result.rows_affected() == 1)
}

async fn touch(transaction: &DatabaseTransaction, id: &Id, now: Timestamp) -> Result<()> {
    let update = Query::update()
        .table("credentials")
        .value("last_used_at", now.0)
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let result = transaction.execute(&update).await.map_err(store_error)?;
    match result.rows_affected() {
        0 => Err(no_credential(id)),
        _ => Ok(()),
    }
}

async fn sweep(transaction: &DatabaseTransaction, now: Timestamp) -> Result<u64> {
    let delete = Query::delete()
        .from_table("credentials")
        .and_where(Expr::col("expires_at").lt(now.0))
        .take();
    let result = transaction.execute(&delete).await.map_err(store_error)?;
    Ok(result.rows_affected())
}

fn no_credential(id: &Id) -> Error {
    Error::not_found(format!("credential `{id}` does not exist"))
}

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from("credentials").take()
}

fn by_secret(secret_sha256: &str) -> SelectStatement {
    select()
        .and_where(Expr::col("secret_sha256").eq(secret_sha256))
        .take()
}

fn read(row: &QueryResult) -> Result<Credential> {
    Ok(Credential {
        id: row::id(row)?,
        kind: row::word(row, "kind")?,
        secret_sha256: row::get(row, "secret_sha256")?,
        role: row::word(row, "role")?,
        name: row::get(row, "name")?,
        created_at: row::time(row, "created_at")?,
        expires_at: row::maybe_time(row, "expires_at")?,
        last_used_at: row::maybe_time(row, "last_used_at")?,
    })
}
