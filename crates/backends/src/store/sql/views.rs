//! The views that people query, with the same names and columns in every database; described in `docs/sql.md`.
//! Not used by Onstage itself. Made anew whenever this file says that they have changed, since they hold nothing.

use super::{error::store_error, migrations};
use onstage_core::Result;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};

/// Raised whenever a view below changes.
const VERSION: u64 = 1;
const MADE: &str = "views_version";
const NAMES: [&str; 3] = ["runs", "ratings", "costs"];

/// Makes them when they are not there, are older, or were dropped for a change of the tables.
pub(super) async fn bring_up_to_date(transaction: &DatabaseTransaction) -> Result<()> {
    if migrations::number(transaction, MADE).await? >= VERSION {
        return Ok(());
    }
    drop_all(transaction).await?;
    let of = Words(transaction.get_database_backend());
    for view in [runs(of), ratings(of), costs(of)] {
        let made = transaction.execute_unprepared(&view).await;
        made.map_err(store_error)?;
    }
    migrations::set_number(transaction, MADE, VERSION).await
}

/// Before tables change: PostgreSQL changes none that a view looks at.
pub(super) async fn drop_all(transaction: &DatabaseTransaction) -> Result<()> {
    for name in NAMES {
        let drop = format!("DROP VIEW IF EXISTS {name}");
        let dropped = transaction.execute_unprepared(&drop).await;
        dropped.map_err(store_error)?;
    }
    migrations::set_number(transaction, MADE, 0).await
}

/// Every prediction that has ended, realtime and background.
fn runs(of: Words) -> String {
    let half = |kind: &str, state: &str, queued: &str, predict: &str, input: &str, output: &str| {
        format!(
            "SELECT id, model, version_number, '{kind}' AS kind, {state} AS status, source, principal AS person, \
             {created} AS created, {age} AS age_days, {queued} AS queued_s, {predict} AS predict_s, \
             {input} AS input, {output} AS output",
            created = of.time("created_at"),
            age = of.age_days("created_at"),
        )
    };
    let realtime = half(
        "realtime",
        "status",
        "queue_ms / 1000.0",
        "predict_ms / 1000.0",
        &of.json("input_json", &["inline"]),
        &of.json("end_json", &["output", "inline"]),
    );
    let background = half(
        "background",
        "state",
        "(started_at - created_at) / 1000.0",
        "(completed_at - started_at) / 1000.0",
        &of.json("spec_json", &["input", "inline"]),
        &of.json("output_json", &["output", "inline"]),
    );
    format!(
        "CREATE VIEW runs AS {realtime} FROM predictions \
         UNION ALL {background} FROM jobs WHERE kind = 'prediction' AND completed_at IS NOT NULL"
    )
}

/// What people said about predictions. A thumb says whether it was right; without one, the correction does.
fn ratings(of: Words) -> String {
    format!(
        "CREATE VIEW ratings AS SELECT prediction, model, version_number, rating, \
         CASE WHEN rating > 0 THEN 1.0 WHEN rating < 0 THEN 0.0 \
         WHEN correction_json IS NULL THEN NULL WHEN correction_json = output_json THEN 1.0 ELSE 0.0 END AS correct, \
         reason, comment, who AS person, input_json AS input, output_json AS output, correction_json AS correction, \
         {created} AS created, {age} AS age_days FROM feedback",
        created = of.time("created_at"),
        age = of.age_days("created_at"),
    )
}

/// What was computed, by day.
fn costs(of: Words) -> String {
    format!(
        "CREATE VIEW costs AS SELECT {day} AS day, {age} AS age_days, model, version_number, principal AS person, kind, runs, \
         compute_ms / 1000.0 AS compute_s, cpu_ms / 1000.0 AS vcpu_s, gpu_milli_ms / 1000000.0 AS gpu_s, \
         memory_mib_ms / 1024000.0 AS gib_s, bytes_in, bytes_out FROM usage_days",
        day = of.time("day"),
        age = of.age_days("day"),
    )
}

/// What each database says in its own words.
#[derive(Clone, Copy)]
struct Words(DbBackend);

impl Words {
    /// Milliseconds since 1970 as a time, UTC.
    fn time(self, column: &str) -> String {
        match self.0 {
            DbBackend::Postgres => format!("to_timestamp({column} / 1000.0) AT TIME ZONE 'UTC'"),
            DbBackend::MySql => {
                format!("TIMESTAMPADD(SECOND, {column} DIV 1000, CAST('1970-01-01' AS DATETIME))")
            }
            _ => format!("datetime({column} / 1000.0, 'unixepoch')"),
        }
    }

    fn age_days(self, column: &str) -> String {
        match self.0 {
            DbBackend::Postgres => {
                format!("(extract(epoch FROM now()) * 1000 - {column}) / 86400000.0")
            }
            DbBackend::MySql => format!("(UNIX_TIMESTAMP() * 1000 - {column}) / 86400000.0"),
            _ => format!("julianday('now') - 2440587.5 - {column} / 86400000.0"),
        }
    }

    /// Text within JSON; null where there is none, as for what lies in a blob.
    fn json(self, column: &str, path: &[&str]) -> String {
        let dotted = format!("$.{}", path.join("."));
        match self.0 {
            DbBackend::Postgres => format!("CAST({column} AS json) #>> '{{{}}}'", path.join(",")),
            DbBackend::MySql => format!(
                "CASE WHEN JSON_VALID({column}) THEN JSON_UNQUOTE(JSON_EXTRACT({column}, '{dotted}')) END"
            ),
            _ => format!(
                "CASE WHEN json_valid({column}) THEN json_extract({column}, '{dotted}') END"
            ),
        }
    }
}
