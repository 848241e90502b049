//! Records of realtime predictions in SQL, written in groups, and the count of all runs.
//! Must not know how they were computed.

use super::{SqlStore, catalog, error::store_error, row};
use async_trait::async_trait;
use onstage_core::{
    Error, Id, ModelName, Result, Timestamp,
    model::VersionId,
    ports::{Listed, Page, Predictions},
    prediction::{Forgotten, PredictionEnd, PredictionFilter, PredictionRecord, RecordPart},
    value::Stored,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, OnConflict, Order, Query, SelectStatement},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Range,
};

const COLUMNS: [&str; 15] = [
    "id",
    "model",
    "version",
    "version_number",
    "status",
    "input_json",
    "end_json",
    "logs",
    "predict_ms",
    "queue_ms",
    "principal",
    "source",
    "created_at",
    "started_at",
    "completed_at",
];
/// Rows in one insert, below the limit that databases have on bound values.
const INSERT_ROWS_MAX: usize = 200;

#[async_trait]
impl Predictions for SqlStore {
    async fn record(&self, predictions: Vec<PredictionRecord>) -> Result<()> {
        if predictions.is_empty() {
            return Ok(());
        }
        self.write(predictions, |transaction, predictions| {
            Box::pin(record(transaction, predictions))
        })
        .await
    }

    async fn prediction(&self, id: &Id) -> Result<Option<PredictionRecord>> {
        let select = select().and_where(Expr::col("id").eq(id.as_str())).take();
        self.one(&select).await?.as_ref().map(read).transpose()
    }

    async fn predictions(
        &self,
        filter: &PredictionFilter,
        page: Page,
    ) -> Result<Listed<PredictionRecord>> {
        let is = |column: &'static str| move |text: String| Expr::col(column).eq(text);
        let select = select()
            .and_where_option(
                filter
                    .model
                    .as_ref()
                    .map(ToString::to_string)
                    .map(is("model")),
            )
            .and_where_option(filter.status.clone().map(is("status")))
            .and_where_option(
                filter
                    .by
                    .as_ref()
                    .map(ToString::to_string)
                    .map(is("principal")),
            )
            .take();
        self.newest(select, "created_at", &page, read).await
    }

    async fn delete_prediction(&self, id: &Id) -> Result<()> {
        self.write(id.clone(), |transaction, id| {
            Box::pin(delete(transaction, id))
        })
        .await
    }

    async fn forget(
        &self,
        model: &ModelName,
        part: RecordPart,
        created: Range<Timestamp>,
        limit: u32,
    ) -> Result<Vec<Forgotten>> {
        let due = due(model, part, &created, limit);
        self.write(due, move |transaction, due| {
            Box::pin(forget(transaction, due, part))
        })
        .await
    }

    async fn run_count(&self, model: &ModelName) -> Result<u64> {
        let select = Query::select()
            .column("runs")
            .from("run_counts")
            .and_where(Expr::col("model").eq(model.to_string()))
            .take();
        let found = self.one(&select).await?;
        found.map_or(Ok(0), |found| row::count(&found, "runs"))
    }
}

/// Adds to a model's count of runs, which outlives the records.
pub(super) async fn count_runs(
    transaction: &DatabaseTransaction,
    model: &ModelName,
    runs: i64,
) -> Result<()> {
    let insert = Query::insert()
        .into_table("run_counts")
        .columns(["model", "runs"])
        .values_panic([model.to_string().into(), runs.into()])
        .on_conflict(
            OnConflict::column("model")
                .value("runs", Expr::col(("run_counts", "runs")).add(runs))
                .to_owned(),
        )
        .take();
    transaction.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

async fn record(transaction: &DatabaseTransaction, records: &[PredictionRecord]) -> Result<()> {
    let mut records = last_of_each(records);
    let models: BTreeSet<&ModelName> = records.iter().map(|record| &record.model).collect();
    let there = catalog::held(transaction, models).await?;
    // What a model has computed goes with it, also what is written down late.
    records.retain(|record| there.contains(&record.model.to_string()));
    // In the models' order, so that two which count some of the same never wait for each other.
    let mut runs: BTreeMap<&ModelName, i64> = BTreeMap::new();
    for some in records.chunks(INSERT_ROWS_MAX) {
        let mut known = known_ids(transaction, some).await?;
        for record in some {
            if known.insert(record.id.as_str().to_owned()) {
                *runs.entry(&record.model).or_default() += 1;
            }
        }
        write(transaction, some).await?;
    }
    for (model, runs) in runs {
        count_runs(transaction, model, runs).await?;
    }
    Ok(())
}

/// One row of an id in an insert: databases differ on two. The later one wins, as it would in two inserts.
fn last_of_each(records: &[PredictionRecord]) -> Vec<&PredictionRecord> {
    let mut seen = HashSet::new();
    let mut last: Vec<_> = records
        .iter()
        .rev()
        .filter(|record| seen.insert(&record.id))
        .collect();
    last.reverse();
    last
}

async fn known_ids(
    transaction: &DatabaseTransaction,
    records: &[&PredictionRecord],
) -> Result<HashSet<String>> {
    let select = Query::select()
        .column("id")
        .from("predictions")
        .and_where(Expr::col("id").is_in(records.iter().map(|record| record.id.as_str())))
        .take();
    let rows = transaction.query_all(&select).await.map_err(store_error)?;
    rows.iter().map(|found| row::get(found, "id")).collect()
}

async fn write(transaction: &DatabaseTransaction, records: &[&PredictionRecord]) -> Result<()> {
    let mut insert = Query::insert()
        .into_table("predictions")
        .columns(COLUMNS)
        .on_conflict(
            OnConflict::column("id")
                .update_columns(COLUMNS.into_iter().skip(1))
                .to_owned(),
        )
        .take();
    for record in records {
        insert.values_panic(values(record));
    }
    transaction.execute(&insert).await.map_err(store_error)?;
    Ok(())
}

async fn delete(transaction: &DatabaseTransaction, id: &Id) -> Result<()> {
    let delete = Query::delete()
        .from_table("predictions")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    let result = transaction.execute(&delete).await.map_err(store_error)?;
    match result.rows_affected() {
        0 => Err(Error::not_found(format!(
            "prediction `{id}` does not exist"
        ))),
        _ => Ok(()),
    }
}

/// Records that still have the part and no feedback: their ids and the part.
fn due(
    model: &ModelName,
    part: RecordPart,
    created: &Range<Timestamp>,
    limit: u32,
) -> SelectStatement {
    let (column, removed) = removed(part);
    let liked = Query::select()
        .column("prediction")
        .from("feedback")
        .and_where(Expr::col("model").eq(model.to_string()))
        .take();
    Query::select()
        .columns(["id", column])
        .from("predictions")
        .and_where(Expr::col("model").eq(model.to_string()))
        .and_where(Expr::col("created_at").gte(created.start.0))
        .and_where(Expr::col("created_at").lt(created.end.0))
        .and_where(Expr::col(column).ne(removed))
        // A failure has no output; what it has instead stays.
        .and_where_option((part == RecordPart::Output).then(|| Expr::col("status").eq("succeeded")))
        .and_where(Expr::col("id").not_in_subquery(liked))
        .order_by("created_at", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(u64::from(limit))
        .take()
}

/// The column of a part, and what it holds when the part is removed.
fn removed(part: RecordPart) -> (&'static str, String) {
    match part {
        RecordPart::Input => ("input_json", row::to_json(&Stored::Removed)),
        RecordPart::Output => {
            let end = PredictionEnd::Output(Stored::Removed);
            ("end_json", row::to_json(&end))
        }
        RecordPart::Logs => ("logs", String::new()),
    }
}

async fn forget(
    transaction: &DatabaseTransaction,
    due: &SelectStatement,
    part: RecordPart,
) -> Result<Vec<Forgotten>> {
    let rows = transaction.query_all(due).await.map_err(store_error)?;
    let one = |found: &QueryResult| {
        Ok(Forgotten {
            id: row::id(found)?,
            blobs: has_blobs(found, part),
        })
    };
    let forgotten = rows.iter().map(one).collect::<Result<Vec<_>>>()?;
    let (column, removed) = removed(part);
    for some in forgotten.chunks(INSERT_ROWS_MAX) {
        let update = Query::update()
            .table("predictions")
            .value(column, removed.as_str())
            .and_where(Expr::col("id").is_in(some.iter().map(|it| it.id.as_str())))
            .take();
        transaction.execute(&update).await.map_err(store_error)?;
    }
    Ok(forgotten)
}

/// What cannot be read may have some.
fn has_blobs(found: &QueryResult, part: RecordPart) -> bool {
    let (column, _) = removed(part);
    match part {
        RecordPart::Input => row::json(found, column).map_or(true, |it: Stored| it.has_blobs()),
        RecordPart::Output => {
            row::json(found, column).map_or(true, |it: PredictionEnd| it.has_blobs())
        }
        RecordPart::Logs => false,
    }
}

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from("predictions").take()
}

fn values(record: &PredictionRecord) -> [Expr; 15] {
    [
        record.id.as_str().into(),
        record.model.to_string().into(),
        record.version.0.as_str().into(),
        i64::from(record.version_number).into(),
        record.end.status_name().into(),
        row::to_json(&record.input).into(),
        row::to_json(&record.end).into(),
        row::plain(&record.logs).into(),
        record.predict_ms.into(),
        record.queue_ms.into(),
        record.by.as_str().into(),
        record.source.as_str().into(),
        record.created_at.0.into(),
        record.started_at.0.into(),
        record.completed_at.0.into(),
    ]
}

fn read(row: &QueryResult) -> Result<PredictionRecord> {
    Ok(PredictionRecord {
        id: row::id(row)?,
        model: row::parse(row, "model")?,
        version: VersionId(row::get(row, "version")?),
        version_number: row::small(row, "version_number")?,
        input: row::json(row, "input_json")?,
        end: row::json(row, "end_json")?,
        logs: row::get(row, "logs")?,
        predict_ms: row::get(row, "predict_ms")?,
        queue_ms: row::get(row, "queue_ms")?,
        by: row::parse(row, "principal")?,
        source: row::get(row, "source")?,
        created_at: row::time(row, "created_at")?,
        started_at: row::time(row, "started_at")?,
        completed_at: row::time(row, "completed_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::make::prediction;

    #[test]
    fn of_one_id_the_last_row_is_written_and_free_of_nul() {
        let mut records = ["1", "2", "1", "3"].map(prediction);
        records[2].logs = "later\0".to_owned();
        let last = last_of_each(&records);
        let logs: Vec<&str> = last.iter().map(|record| record.logs.as_str()).collect();
        assert_eq!(logs, ["hello", "later\0", "hello"]);
        let texts = format!("{:?}", values(last[1]));
        assert!(texts.contains("later\u{fffd}"), "{texts}");
    }
}
