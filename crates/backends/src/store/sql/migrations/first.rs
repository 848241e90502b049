//! Schema version 1: every table as people can query it. Times are milliseconds since 1970, UTC.
//! Never edited after a release.

use super::Step;
use sea_orm::sea_query::{
    ColumnDef, ForeignKey, ForeignKeyAction, ForeignKeyCreateStatement, Index,
    IndexCreateStatement, Table, TableCreateStatement,
};

const NAME: u32 = 160;
const ID: u32 = 80;
const WORD: u32 = 40;

pub(super) fn step() -> Step {
    Step {
        tables: vec![
            models(),
            versions(),
            jobs(),
            chunks(),
            events(),
            idempotency(),
            tasks(),
            predictions(),
            run_counts(),
            credentials(),
            feedback(),
            files(),
            app_state(),
        ],
        indexes: vec![
            unique("versions", &["model", "number"]),
            index("versions", &["state"]),
            index("jobs", &["state", "version", "created_at", "id"]),
            index("jobs", &["version", "kind", "state"]),
            index("jobs", &["created_at", "id"]),
            index("jobs", &["model", "created_at", "id"]),
            index("jobs", &["kind", "created_at", "id"]),
            index("jobs", &["completed_at", "id", "run"]),
            index("idempotency", &["created_at"]),
            index("idempotency", &["job"]),
            index("predictions", &["created_at", "id"]),
            index("predictions", &["model", "created_at", "id"]),
            unique("credentials", &["secret_sha256"]),
            index("credentials", &["expires_at"]),
            unique("feedback", &["prediction", "who"]),
            index("feedback", &["created_at", "id"]),
            index("feedback", &["model", "created_at", "id"]),
            index("files", &["created_at", "id"]),
            index("tasks", &["started_at", "id"]),
        ],
    }
}

fn models() -> TableCreateStatement {
    table("models")
        .col(key("name", NAME).primary_key())
        .col(text("title"))
        .col(text("about"))
        .col(maybe_key("live", ID))
        .col(maybe_key("previous", ID))
        .col(number("revision"))
        .col(number("created_at"))
        .take()
}

fn versions() -> TableCreateStatement {
    table("versions")
        .col(key("id", ID).primary_key())
        .col(key("model", NAME))
        .col(number("number"))
        .col(key("state", WORD))
        .col(text("detail_json"))
        .col(text("config_json"))
        .col(text("examples_json"))
        .col(text("bundle_key"))
        .col(number("bundle_size_bytes"))
        .col(key("bundle_sha256", ID))
        .col(ColumnDef::new("promote_when_ready").boolean().not_null())
        .col(number("created_at"))
        .foreign_key(&mut belongs("versions", "model", "models", "name"))
        .take()
}

fn jobs() -> TableCreateStatement {
    table("jobs")
        .col(key("id", ID).primary_key())
        .col(key("model", NAME))
        .col(key("version", ID))
        .col(number("version_number"))
        .col(key("kind", WORD))
        .col(text("spec_json"))
        .col(key("principal", ID))
        .col(key("source", WORD))
        .col(number("created_at"))
        .col(key("state", WORD))
        .col(number("run"))
        .col(maybe_key("owner", NAME))
        .col(maybe_number("beat"))
        .col(maybe_key("phase", WORD))
        .col(ColumnDef::new("cancel_requested").boolean().not_null())
        .col(maybe_number("not_before"))
        .col(number("attempts"))
        .col(number("restarts"))
        .col(maybe_number("started_at"))
        .col(maybe_number("completed_at"))
        .col(maybe_key("reason", WORD))
        .col(maybe_text("output_json"))
        .col(maybe_text("failure_json"))
        .col(maybe_text("progress_json"))
        .col(text("attempts_json"))
        .col(number("revision"))
        .col(number("events"))
        .take()
}

fn chunks() -> TableCreateStatement {
    table("chunks")
        .col(key("job", ID))
        .col(number("chunk"))
        .col(number("first_row"))
        .col(number("row_count"))
        .col(number("done"))
        .col(number("failed"))
        .col(number("matched"))
        .col(text("blob_key"))
        .col(number("blob_size_bytes"))
        .col(key("blob_sha256", ID))
        .col(number("run"))
        .primary_key(Index::create().col("job").col("chunk"))
        .foreign_key(&mut belongs("chunks", "job", "jobs", "id"))
        .take()
}

fn events() -> TableCreateStatement {
    table("events")
        .col(key("job", ID))
        .col(number("seq"))
        .col(key("kind", WORD))
        .col(number("at"))
        .col(text("data_json"))
        .primary_key(Index::create().col("job").col("seq"))
        .foreign_key(&mut belongs("events", "job", "jobs", "id"))
        .take()
}

fn idempotency() -> TableCreateStatement {
    table("idempotency")
        .col(key("scope", NAME + ID))
        .col(key("name", NAME + ID))
        .col(key("body_sha256", ID))
        .col(key("job", ID))
        .col(number("created_at"))
        .primary_key(Index::create().col("scope").col("name"))
        .foreign_key(&mut belongs("idempotency", "job", "jobs", "id"))
        .take()
}

fn tasks() -> TableCreateStatement {
    table("tasks")
        .col(key("id", ID).primary_key())
        .col(key("version", ID))
        .col(key("incarnation", NAME))
        .col(text("host"))
        .col(number("pid"))
        .col(number("started_at"))
        .col(maybe_number("ended_at"))
        .col(maybe_text("ended_because"))
        .col(number("beat"))
        .take()
}

fn predictions() -> TableCreateStatement {
    table("predictions")
        .col(key("id", ID).primary_key())
        .col(key("model", NAME))
        .col(key("version", ID))
        .col(number("version_number"))
        .col(key("status", WORD))
        .col(text("input_json"))
        .col(text("end_json"))
        .col(text("logs"))
        .col(ColumnDef::new("predict_ms").double().not_null())
        .col(ColumnDef::new("queue_ms").double().not_null())
        .col(key("principal", ID))
        .col(key("source", WORD))
        .col(number("created_at"))
        .col(number("started_at"))
        .col(number("completed_at"))
        .take()
}

fn run_counts() -> TableCreateStatement {
    table("run_counts")
        .col(key("model", NAME).primary_key())
        .col(number("runs"))
        .take()
}

fn credentials() -> TableCreateStatement {
    table("credentials")
        .col(key("id", ID).primary_key())
        .col(key("kind", WORD))
        .col(key("secret_sha256", ID))
        .col(key("role", WORD))
        .col(text("name"))
        .col(number("created_at"))
        .col(maybe_number("expires_at"))
        .col(maybe_number("last_used_at"))
        .take()
}

fn feedback() -> TableCreateStatement {
    table("feedback")
        .col(key("id", ID).primary_key())
        .col(key("prediction", ID))
        .col(key("model", NAME))
        .col(number("version_number"))
        .col(maybe_number("rating"))
        .col(maybe_text("reason"))
        .col(maybe_text("comment"))
        .col(maybe_text("correction_json"))
        .col(key("who", ID))
        .col(maybe_text("input_json"))
        .col(maybe_text("output_json"))
        .col(number("created_at"))
        .take()
}

fn files() -> TableCreateStatement {
    table("files")
        .col(key("id", ID).primary_key())
        .col(text("name"))
        .col(text("media_type"))
        .col(text("blob_key"))
        .col(number("blob_size_bytes"))
        .col(key("blob_sha256", ID))
        .col(text("metadata_json"))
        .col(key("principal", ID))
        .col(number("created_at"))
        .take()
}

fn app_state() -> TableCreateStatement {
    table("app_state")
        .col(key("space", NAME + ID))
        .col(key("name", 512))
        .col(text("value_json"))
        .primary_key(Index::create().col("space").col("name"))
        .take()
}

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).take()
}

fn key(name: &'static str, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).not_null().take()
}

fn maybe_key(name: &'static str, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn maybe_text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().take()
}

fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

fn maybe_number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

/// Rows that go when the row they belong to goes.
fn belongs(
    from: &'static str,
    column: &'static str,
    to: &'static str,
    to_column: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(from, column)
        .to(to, to_column)
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create()
        .name(format!("{table}_by_{}", columns.join("_")))
        .table(table)
        .take();
    for column in columns {
        index.col(*column);
    }
    index
}

fn unique(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(table, columns).unique().take()
}
