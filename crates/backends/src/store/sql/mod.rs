//! The SQL store: one code path for SQLite, PostgreSQL and MySQL, statements built by sea-query.
//! Must not hold SQL of one dialect; `dialect.rs`, `sqlite.rs`, `postgres.rs`, `mysql.rs` and `views.rs` have all of that.

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
mod gather;
#[cfg(test)]
mod golden_test;
#[cfg(test)]
mod hurt_test;
mod job_row;
mod jobs;
mod migrations;
mod mysql;
mod outbox;
mod page;
mod people;
mod pooled;
mod postgres;
mod predictions;
mod presence;
mod removal;
mod row;
mod running;
mod schedules;
mod server;
#[cfg(test)]
mod server_test;
mod shares;
mod snapshot;
mod sqlite;
mod submit;
mod tasks;
mod trainings;
mod transition;
mod turns;
mod uploads;
mod usage;
mod versions;
mod views;
#[cfg(test)]
mod views_test;
mod work;
mod writer;

pub(in crate::store) use server::is_url as is_server;
pub(in crate::store) use snapshot::{blob_keys, check_file, snapshot};
pub(super) use sqlite::{Durability, linked_version as sqlite_version};

use crate::fail::{self, Moment};
use error::store_error;
use futures::{FutureExt, future::BoxFuture};
use gather::Gatherer;
use onstage_core::{Error, Result, job::NewJob, ports::Submitted};
use pooled::Pooled;
use presence::Presence;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, QueryResult,
    sea_query::SelectStatement,
};
use std::{future::Future, path::Path, sync::Arc, time::Duration};
use writer::Writer;

/// How long any call may take, queueing and waiting for other processes' locks included.
const CALL_MS_MAX: u64 = 10_000;

/// How often a read is tried when its connection breaks; the server may have been started anew.
const READ_TRIES_MAX: u32 = 4;

/// Readers in a pool, and who writes.
pub(super) struct SqlStore {
    readers: DatabaseConnection,
    /// Of whom is read; somebody who keeps a file locked keeps no reader out.
    read_from: Presence,
    writes: Arc<Writes>,
    submissions: Gatherer<NewJob, Submitted>,
    events: Gatherer<events::Said, u64>,
}

/// SQLite lets one write at a time, so that one connection takes what is queued together; a server lets many.
enum Writes {
    One(Writer),
    Many(Pooled),
}

/// Opens the SQLite file at `path`, made when it is not there, with its tables brought up to date.
pub(super) async fn open(path: &Path, durability: Durability) -> Result<SqlStore> {
    let writing = sqlite::connect_writer(path, durability).await?;
    migrations::bring_up_to_date(&writing).await?;
    of_file(path, writing, durability).await
}

/// The store in a file whose tables are up to date.
async fn of_file(
    path: &Path,
    writing: DatabaseConnection,
    durability: Durability,
) -> Result<SqlStore> {
    sqlite::undo_in_memory(&writing).await?;
    let readers = sqlite::connect_readers(path).await?;
    let path = path.to_owned();
    let reopen = move || {
        let path = path.clone();
        async move {
            let writing = sqlite::connect_writer(&path, durability).await?;
            sqlite::undo_in_memory(&writing).await?;
            Ok(writing)
        }
        .boxed()
    };
    let writer = Writer::start(writing, Box::new(reopen));
    let read_from = Presence::default();
    Ok(SqlStore::new(readers, read_from, Writes::One(writer)))
}

/// Opens the store on the database server that `url` names, with its tables brought up to date.
pub(super) async fn open_server(url: &str) -> Result<SqlStore> {
    let making = server::connect(url).await?;
    migrations::bring_up_to_date(&making).await?;
    // What this connection was told for making tables ends with it.
    making.close().await.map_err(store_error)?;
    let pool = server::connect(url).await?;
    let presence = Presence::default();
    let writes = Writes::Many(Pooled::new(pool.clone(), presence.clone()));
    Ok(SqlStore::new(pool, presence, writes))
}

impl SqlStore {
    fn new(readers: DatabaseConnection, read_from: Presence, writes: Writes) -> Self {
        let writes = Arc::new(writes);
        Self {
            readers,
            read_from,
            submissions: submit::gatherer(writes.clone()),
            events: events::gatherer(writes.clone()),
            writes,
        }
    }

    async fn one(&self, select: &SelectStatement) -> Result<Option<QueryResult>> {
        Ok(self.all(select).await?.into_iter().next())
    }

    async fn all(&self, select: &SelectStatement) -> Result<Vec<QueryResult>> {
        tokio::select! {
            biased;
            rows = in_time(self.read(select)) => rows,
            // Writes find out that it is back: they go on without their callers.
            () = self.read_from.gone() => Err(presence::is_away()),
        }
    }

    async fn read(&self, select: &SelectStatement) -> Result<Vec<QueryResult>> {
        let mut tried = 1;
        loop {
            let rows = self.readers.query_all(select).await;
            self.read_from.saw(dialect::answers(&rows));
            let broke = rows.as_ref().is_err_and(dialect::connection_broke);
            if !broke || tried == READ_TRIES_MAX {
                return rows.map_err(store_error);
            }
            tried += 1;
        }
    }

    /// Runs `work` over `values` in a transaction; its answer comes after the commit.
    async fn write<V, T, F>(&self, values: V, work: F) -> Result<T>
    where
        V: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a DatabaseTransaction, &'a V) -> BoxFuture<'a, Result<T>>,
        F: Send + Sync + 'static,
    {
        self.writes.write(values, work).await
    }
}

impl Writes {
    /// Of whom is written to.
    fn presence(&self) -> &Presence {
        match self {
            Self::One(writer) => writer.presence(),
            Self::Many(pooled) => pooled.presence(),
        }
    }

    async fn write<V, T, F>(&self, values: V, work: F) -> Result<T>
    where
        V: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a DatabaseTransaction, &'a V) -> BoxFuture<'a, Result<T>>,
        F: Send + Sync + 'static,
    {
        let point = fail::name_of::<F>();
        let work = work::over(values, work);
        fail::at(point, Moment::Before);
        let outcome = in_time(async {
            match self {
                Self::One(writer) => writer.write(work).await,
                Self::Many(pooled) => pooled.write(work).await,
            }
        })
        .await;
        if outcome.is_ok() {
            fail::at(point, Moment::After);
        }
        outcome
    }
}

/// The deadline that every call has.
async fn in_time<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    let limit = Duration::from_millis(CALL_MS_MAX);
    match tokio::time::timeout(limit, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(too_late()),
    }
}

fn too_late() -> Error {
    Error::unavailable(format!("the store did not answer within {CALL_MS_MAX} ms"))
}
