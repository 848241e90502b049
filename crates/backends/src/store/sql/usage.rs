//! Sums of usage in SQL: one row for each day, model, version, person and kind.
//! Must not know what they are used for.

use super::{SqlStore, dialect, error::store_error, row};
use async_trait::async_trait;
use onstage_core::{
    Result, Timestamp,
    limits::USAGE_ROWS_MAX,
    ports::UsageBook,
    usage::{Amounts, Dimension, Usage, UsageFilter, UsageSum},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult,
    sea_query::{Expr, ExprTrait, Func, OnConflict, Order, Query, SelectStatement},
};

const TABLE: &str = "usage_days";
const KEYS: [&str; 5] = ["day", "model", "version_number", "principal", "kind"];
const SUMS: [&str; 7] = [
    "runs",
    "compute_ms",
    "cpu_ms",
    "gpu_milli_ms",
    "memory_mib_ms",
    "bytes_in",
    "bytes_out",
];

#[async_trait]
impl UsageBook for SqlStore {
    async fn add_usage(&self, usage: Vec<Usage>) -> Result<()> {
        if usage.is_empty() {
            return Ok(());
        }
        let mut usage = usage;
        // In one order, so that two which add to some of the same rows never wait for each other.
        usage.sort_by_cached_key(|one| {
            let who = (one.by.to_string(), one.kind.name());
            (one.day, one.model.to_string(), one.version_number, who)
        });
        self.write(usage, |transaction, usage| {
            Box::pin(add(transaction, usage))
        })
        .await
    }

    async fn usage(&self, filter: &UsageFilter, by: &[Dimension]) -> Result<Vec<UsageSum>> {
        let backend = self.readers.get_database_backend();
        let rows = self.all(&sums(backend, filter, by)).await?;
        rows.iter().map(|found| read(found, by)).collect()
    }
}

async fn add(transaction: &DatabaseTransaction, usage: &[Usage]) -> Result<()> {
    for one in usage {
        let amounts = numbers(&one.amounts);
        let mut keep = OnConflict::columns(KEYS);
        for (column, amount) in SUMS.into_iter().zip(amounts) {
            keep.value(column, Expr::col((TABLE, column)).add(amount));
        }
        let keys = [
            one.day.0.into(),
            one.model.to_string().into(),
            i64::from(one.version_number).into(),
            one.by.as_str().into(),
            one.kind.name().into(),
        ];
        let insert = Query::insert()
            .into_table(TABLE)
            .columns(KEYS.into_iter().chain(SUMS))
            .values_panic(keys.into_iter().chain(amounts.map(Expr::from)))
            .on_conflict(keep)
            .take();
        transaction.execute(&insert).await.map_err(store_error)?;
    }
    Ok(())
}

fn numbers(amounts: &Amounts) -> [i64; 7] {
    [
        amounts.runs,
        amounts.compute_ms,
        amounts.cpu_ms,
        amounts.gpu_milli_ms,
        amounts.memory_mib_ms,
        amounts.bytes_in,
        amounts.bytes_out,
    ]
    .map(row::int)
}

fn column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Day => "day",
        Dimension::Model => "model",
        Dimension::Version => "version_number",
        Dimension::Person => "principal",
        Dimension::Kind => "kind",
    }
}

fn sums(backend: DbBackend, filter: &UsageFilter, by: &[Dimension]) -> SelectStatement {
    let mut select = Query::select()
        .from(TABLE)
        .and_where_option(filter.since.map(|since| Expr::col("day").gte(since.0)))
        .and_where_option(filter.until.map(|until| Expr::col("day").lt(until.0)))
        .and_where_option(
            (filter.model.as_ref()).map(|model| Expr::col("model").eq(model.to_string())),
        )
        .limit(USAGE_ROWS_MAX as u64)
        .take();
    for sum in SUMS {
        let whole = dialect::whole_number(backend);
        select.expr_as(Func::cast_as(Func::sum(Expr::col(sum)), whole), sum);
    }
    for dimension in Dimension::ALL.into_iter().filter(|it| by.contains(it)) {
        let column = column(dimension);
        let order = match dimension {
            Dimension::Day => Order::Desc,
            _ => Order::Asc,
        };
        select
            .column(column)
            .group_by_col(column)
            .order_by(column, order);
    }
    select
}

fn read(found: &QueryResult, by: &[Dimension]) -> Result<UsageSum> {
    let mut sum = UsageSum {
        amounts: Amounts {
            runs: row::sum(found, "runs")?,
            compute_ms: row::sum(found, "compute_ms")?,
            cpu_ms: row::sum(found, "cpu_ms")?,
            gpu_milli_ms: row::sum(found, "gpu_milli_ms")?,
            memory_mib_ms: row::sum(found, "memory_mib_ms")?,
            bytes_in: row::sum(found, "bytes_in")?,
            bytes_out: row::sum(found, "bytes_out")?,
        },
        ..UsageSum::default()
    };
    for dimension in by {
        match dimension {
            Dimension::Day => sum.day = Some(Timestamp(row::get(found, "day")?)),
            Dimension::Model => sum.model = Some(row::parse(found, "model")?),
            Dimension::Version => sum.version_number = Some(row::small(found, "version_number")?),
            Dimension::Person => sum.by = Some(row::parse(found, "principal")?),
            Dimension::Kind => sum.kind = Some(row::word(found, "kind")?),
        }
    }
    Ok(sum)
}
