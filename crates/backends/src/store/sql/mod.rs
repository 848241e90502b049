//! The SQL store: one code path for every SQL database, statements built by sea-query, SQLite today.
//! Must not hold SQL of one dialect; `dialect.rs` and `sqlite.rs` have all of that.

mod app_state;
mod catalog;
mod chunks;
mod claim;
mod damage;
mod datasets;
mod dialect;
mod error;
mod events;
mod feedback;
mod files;
#[cfg(test)]
mod hurt_test;
mod job_row;
mod jobs;
mod migrations;
mod page;
mod people;
mod predictions;
mod removal;
mod row;
mod running;
mod shares;
mod sqlite;
mod submit;
mod tasks;
mod transition;
mod turns;
mod usage;
mod versions;
mod writer;

pub(super) use sqlite::{Durability, linked_version as sqlite_version};

use error::store_error;
use futures::FutureExt;
use onstage_core::{Error, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, sea_query::SelectStatement};
use std::{future::Future, path::Path, time::Duration};
use writer::Writer;

/// How long any call may take, queueing and waiting for other processes' locks included.
const CALL_MS_MAX: u64 = 10_000;

/// Readers in a pool, and the one writer.
pub(super) struct SqlStore {
    readers: DatabaseConnection,
    writer: Writer,
}

/// Opens the SQLite file at `path`, made when it is not there, with its tables brought up to date.
pub(super) async fn open(path: &Path, durability: Durability) -> Result<SqlStore> {
    let writing = sqlite::connect_writer(path, durability).await?;
    migrations::bring_up_to_date(&writing).await?;
    let readers = sqlite::connect_readers(path).await?;
    let path = path.to_owned();
    let reopen = move || {
        let path = path.clone();
        async move { sqlite::connect_writer(&path, durability).await }.boxed()
    };
    Ok(SqlStore {
        readers,
        writer: Writer::start(writing, Box::new(reopen)),
    })
}

impl SqlStore {
    async fn one(&self, select: &SelectStatement) -> Result<Option<QueryResult>> {
        in_time(async { self.readers.query_one(select).await.map_err(store_error) }).await
    }

    async fn all(&self, select: &SelectStatement) -> Result<Vec<QueryResult>> {
        in_time(async { self.readers.query_all(select).await.map_err(store_error) }).await
    }
}

/// The deadline that every call has.
async fn in_time<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    let limit = Duration::from_millis(CALL_MS_MAX);
    match tokio::time::timeout(limit, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::unavailable(format!(
            "the store did not answer within {CALL_MS_MAX} ms"
        ))),
    }
}
