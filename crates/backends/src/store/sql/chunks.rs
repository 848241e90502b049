//! Committed chunks of batch jobs in SQL.
//! Must not know what lies in their blobs.

use super::{dialect, row, shares, transition};
use crate::store::rules;
use onstage_core::{
    Id, Result,
    batch::{Chunk, Counts},
    job::Lease,
};
use sea_orm::{
    DatabaseTransaction, Order, QueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

const COLUMNS: [&str; 11] = [
    "job",
    "chunk",
    "first_row",
    "row_count",
    "done",
    "failed",
    "matched",
    "blob_key",
    "blob_size_bytes",
    "blob_sha256",
    "run",
];

/// Writes a chunk while the lease holds; one that is there already stays.
pub(super) async fn commit(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    chunk: &Chunk,
) -> Result<()> {
    let found = transition::read(transaction, &lease.job).await?;
    let found = found.ok_or_else(|| rules::lease_on_nothing(lease))?;
    shares::check_lease(transaction, &found.job, lease).await?;
    let insert = Query::insert()
        .into_table("chunks")
        .columns(COLUMNS)
        .values_panic([
            lease.job.as_str().into(),
            row::int(chunk.index).into(),
            row::int(chunk.first_row).into(),
            row::int(chunk.rows).into(),
            row::int(chunk.counts.done).into(),
            row::int(chunk.counts.failed).into(),
            row::int(chunk.counts.matched).into(),
            chunk.blob.key.as_str().into(),
            row::int(chunk.blob.size_bytes).into(),
            chunk.blob.sha256.as_str().into(),
            i64::from(chunk.run).into(),
        ])
        .take();
    if dialect::insert_once(transaction, insert, &["job", "chunk"]).await? {
        shares::committed(transaction, lease, chunk).await?;
    }
    Ok(())
}

pub(super) fn of_job(job: &Id) -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("chunks")
        .and_where(Expr::col("job").eq(job.as_str()))
        .order_by("chunk", Order::Asc)
        .take()
}

pub(super) fn read(row: &QueryResult) -> Result<Chunk> {
    Ok(Chunk {
        index: row::count(row, "chunk")?,
        first_row: row::count(row, "first_row")?,
        rows: row::count(row, "row_count")?,
        counts: Counts {
            done: row::count(row, "done")?,
            failed: row::count(row, "failed")?,
            matched: row::count(row, "matched")?,
        },
        blob: row::blob(row, "blob")?,
        run: row::small(row, "run")?,
    })
}
