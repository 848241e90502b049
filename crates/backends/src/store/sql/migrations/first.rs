//! Schema version 1: every table as people can query it. Times are milliseconds since 1970, UTC.
//! Never edited after a release.

use super::Step;
use sea_orm::{
    DbBackend,
    sea_query::{
        ColumnDef, ForeignKey, ForeignKeyAction, ForeignKeyCreateStatement, Index,
        IndexCreateStatement, Table, TableCreateStatement,
    },
};

/// Characters of the keys.
pub(super) const NAME: u32 = 160;
pub(super) const ID: u32 = 80;
pub(super) const WORD: u32 = 40;
/// A client's key of at most 255 bytes behind a word of ours.
const CLIENT_KEY: u32 = 280;
const STATE_KEY: u32 = 512;

pub(super) fn step(backend: DbBackend) -> Step {
    let of = Columns(backend);
    Step {
        tables: vec![
            models(of),
            versions(of),
            jobs(of),
            chunks(of),
            events(of),
            idempotency(of),
            tasks(of),
            predictions(of),
            run_counts(of),
            credentials(of),
            feedback(of),
            files(of),
            app_state(of),
        ],
        changes: Vec::new(),
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

fn models(of: Columns) -> TableCreateStatement {
    of.table("models")
        .col(of.key("name", NAME).primary_key())
        .col(of.text("title"))
        .col(of.text("about"))
        .col(of.maybe_key("live", ID))
        .col(of.maybe_key("previous", ID))
        .col(number("revision"))
        .col(number("created_at"))
        .take()
}

fn versions(of: Columns) -> TableCreateStatement {
    of.table("versions")
        .col(of.key("id", ID).primary_key())
        .col(of.key("model", NAME))
        .col(number("number"))
        .col(of.key("state", WORD))
        .col(of.text("detail_json"))
        .col(of.text("config_json"))
        .col(of.text("examples_json"))
        .col(of.text("bundle_key"))
        .col(number("bundle_size_bytes"))
        .col(of.key("bundle_sha256", ID))
        .col(ColumnDef::new("promote_when_ready").boolean().not_null())
        .col(number("created_at"))
        .foreign_key(&mut belongs("versions", "model", "models", "name"))
        .take()
}

fn jobs(of: Columns) -> TableCreateStatement {
    of.table("jobs")
        .col(of.key("id", ID).primary_key())
        .col(of.key("model", NAME))
        .col(of.key("version", ID))
        .col(number("version_number"))
        .col(of.key("kind", WORD))
        .col(of.text("spec_json"))
        .col(of.key("principal", ID))
        .col(of.key("source", WORD))
        .col(number("created_at"))
        .col(of.key("state", WORD))
        .col(number("run"))
        .col(of.maybe_key("owner", NAME))
        .col(maybe_number("beat"))
        .col(of.maybe_key("phase", WORD))
        .col(ColumnDef::new("cancel_requested").boolean().not_null())
        .col(maybe_number("not_before"))
        .col(number("attempts"))
        .col(number("restarts"))
        .col(maybe_number("started_at"))
        .col(maybe_number("completed_at"))
        .col(of.maybe_key("reason", WORD))
        .col(of.maybe_text("output_json"))
        .col(of.maybe_text("failure_json"))
        .col(of.maybe_text("progress_json"))
        .col(of.text("attempts_json"))
        .col(number("revision"))
        .col(number("events"))
        .take()
}

fn chunks(of: Columns) -> TableCreateStatement {
    of.table("chunks")
        .col(of.key("job", ID))
        .col(number("chunk"))
        .col(number("first_row"))
        .col(number("row_count"))
        .col(number("done"))
        .col(number("failed"))
        .col(number("matched"))
        .col(of.text("blob_key"))
        .col(number("blob_size_bytes"))
        .col(of.key("blob_sha256", ID))
        .col(number("run"))
        .primary_key(Index::create().col("job").col("chunk"))
        .foreign_key(&mut belongs("chunks", "job", "jobs", "id"))
        .take()
}

fn events(of: Columns) -> TableCreateStatement {
    of.table("events")
        .col(of.key("job", ID))
        .col(number("seq"))
        .col(of.key("kind", WORD))
        .col(number("at"))
        .col(of.text("data_json"))
        .primary_key(Index::create().col("job").col("seq"))
        .foreign_key(&mut belongs("events", "job", "jobs", "id"))
        .take()
}

fn idempotency(of: Columns) -> TableCreateStatement {
    of.table("idempotency")
        .col(of.key("scope", NAME + ID))
        .col(of.key("name", CLIENT_KEY))
        .col(of.key("body_sha256", ID))
        .col(of.key("job", ID))
        .col(number("created_at"))
        .primary_key(Index::create().col("scope").col("name"))
        .foreign_key(&mut belongs("idempotency", "job", "jobs", "id"))
        .take()
}

fn tasks(of: Columns) -> TableCreateStatement {
    of.table("tasks")
        .col(of.key("id", ID).primary_key())
        .col(of.key("version", ID))
        .col(of.key("incarnation", NAME))
        .col(of.text("host"))
        .col(number("pid"))
        .col(number("started_at"))
        .col(maybe_number("ended_at"))
        .col(of.maybe_text("ended_because"))
        .col(number("beat"))
        .take()
}

fn predictions(of: Columns) -> TableCreateStatement {
    of.table("predictions")
        .col(of.key("id", ID).primary_key())
        .col(of.key("model", NAME))
        .col(of.key("version", ID))
        .col(number("version_number"))
        .col(of.key("status", WORD))
        .col(of.text("input_json"))
        .col(of.text("end_json"))
        .col(of.text("logs"))
        .col(ColumnDef::new("predict_ms").double().not_null())
        .col(ColumnDef::new("queue_ms").double().not_null())
        .col(of.key("principal", ID))
        .col(of.key("source", WORD))
        .col(number("created_at"))
        .col(number("started_at"))
        .col(number("completed_at"))
        .take()
}

fn run_counts(of: Columns) -> TableCreateStatement {
    of.table("run_counts")
        .col(of.key("model", NAME).primary_key())
        .col(number("runs"))
        .take()
}

fn credentials(of: Columns) -> TableCreateStatement {
    of.table("credentials")
        .col(of.key("id", ID).primary_key())
        .col(of.key("kind", WORD))
        .col(of.key("secret_sha256", ID))
        .col(of.key("role", WORD))
        .col(of.text("name"))
        .col(number("created_at"))
        .col(maybe_number("expires_at"))
        .col(maybe_number("last_used_at"))
        .take()
}

fn feedback(of: Columns) -> TableCreateStatement {
    of.table("feedback")
        .col(of.key("id", ID).primary_key())
        .col(of.key("prediction", ID))
        .col(of.key("model", NAME))
        .col(number("version_number"))
        .col(maybe_number("rating"))
        .col(of.maybe_text("reason"))
        .col(of.maybe_text("comment"))
        .col(of.maybe_text("correction_json"))
        .col(of.key("who", ID))
        .col(of.maybe_text("input_json"))
        .col(of.maybe_text("output_json"))
        .col(number("created_at"))
        .take()
}

fn files(of: Columns) -> TableCreateStatement {
    of.table("files")
        .col(of.key("id", ID).primary_key())
        .col(of.text("name"))
        .col(of.text("media_type"))
        .col(of.text("blob_key"))
        .col(number("blob_size_bytes"))
        .col(of.key("blob_sha256", ID))
        .col(of.text("metadata_json"))
        .col(of.key("principal", ID))
        .col(number("created_at"))
        .take()
}

fn app_state(of: Columns) -> TableCreateStatement {
    of.table("app_state")
        .col(of.key("space", NAME + ID))
        .col(of.key("name", STATE_KEY))
        .col(of.text("value_json"))
        .primary_key(Index::create().col("space").col("name"))
        .take()
}

/// Text columns, which the databases spell differently. Keys compare byte by byte in all of them: other orders and equalities would
/// lose pages of a list or mix up two ids.
#[derive(Clone, Copy)]
pub(super) struct Columns(pub(super) DbBackend);

impl Columns {
    pub(super) fn table(self, name: &'static str) -> TableCreateStatement {
        let mut table = Table::create().table(name).take();
        if self.0 == DbBackend::MySql {
            table.character_set("utf8mb4").collate("utf8mb4_bin");
        }
        table
    }

    pub(super) fn key(self, name: &'static str, length: u32) -> ColumnDef {
        self.maybe_key(name, length).not_null().take()
    }

    pub(super) fn maybe_key(self, name: &'static str, length: u32) -> ColumnDef {
        let mut column = ColumnDef::new(name).string_len(length).take();
        if self.0 == DbBackend::Postgres {
            column.extra("COLLATE \"C\"");
        }
        column
    }

    pub(super) fn text(self, name: &'static str) -> ColumnDef {
        self.maybe_text(name).not_null().take()
    }

    /// MySQL's plain text ends at 64 KiB.
    pub(super) fn maybe_text(self, name: &'static str) -> ColumnDef {
        match self.0 {
            DbBackend::MySql => ColumnDef::new(name).custom("longtext").take(),
            _ => ColumnDef::new(name).text().take(),
        }
    }
}

pub(super) fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

pub(super) fn maybe_number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

/// Rows that go when the row they belong to goes.
pub(super) fn belongs(
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

pub(super) fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
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

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder};

    fn tables(backend: DbBackend) -> Vec<String> {
        let tables = step(backend).tables;
        let sql = tables.iter().map(|table| match backend {
            DbBackend::MySql => table.to_string(MysqlQueryBuilder),
            DbBackend::Postgres => table.to_string(PostgresQueryBuilder),
            _ => table.to_string(SqliteQueryBuilder),
        });
        sql.collect()
    }

    #[test]
    fn long_texts_fit_in_every_dialect() {
        for table in tables(DbBackend::MySql) {
            assert!(!table.contains(" text"), "{table}");
            assert!(table.ends_with("DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"));
        }
        for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
            assert!(!tables(backend).concat().contains("longtext"));
        }
    }

    #[test]
    fn keys_compare_by_their_bytes_in_postgres() {
        for table in tables(DbBackend::Postgres) {
            let keys = table.matches("varchar(").count();
            assert_eq!(table.matches("COLLATE \"C\"").count(), keys, "{table}");
        }
        assert!(!tables(DbBackend::Sqlite).concat().contains("COLLATE"));
    }

    #[test]
    fn a_clients_key_fits_and_primary_keys_fit_into_an_index_of_mysql() {
        const CHARACTER_BYTES: u32 = 4;
        const INDEX_BYTES_MAX: u32 = 3_072;
        const CLIENTS_BYTES_MAX: u32 = 4 + 255;
        const { assert!(CLIENT_KEY >= CLIENTS_BYTES_MAX) };
        const { assert!((NAME + ID + CLIENT_KEY) * CHARACTER_BYTES <= INDEX_BYTES_MAX) };
        const { assert!((NAME + ID + STATE_KEY) * CHARACTER_BYTES <= INDEX_BYTES_MAX) };
        let sql = tables(DbBackend::MySql).concat();
        assert!(sql.contains(&format!("varchar({CLIENT_KEY})")), "{sql}");
    }
}
