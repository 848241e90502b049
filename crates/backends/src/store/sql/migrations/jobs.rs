//! Jobs at size: how the rows of a batch job are shared out, whose turn it is, how urgent a job is, why it is dead, who is told.
//! Never edited after a release.

use super::{
    Step,
    first::{Columns, ID, WORD, belongs, index, number},
};
use sea_orm::{
    DbBackend,
    sea_query::{ColumnDef, Index, Table, TableAlterStatement, TableCreateStatement},
};

/// What a job without a word about it has.
const URGENCY_DEFAULT: i64 = 3;

pub(super) fn step(backend: DbBackend) -> Step {
    let of = Columns(backend);
    // One column each: SQLite adds no more at a time.
    let changes = [
        number("urgency").default(URGENCY_DEFAULT).take(),
        of.maybe_key("dead", WORD),
        of.maybe_text("webhook_json"),
    ];
    Step {
        tables: vec![shares(of), turns(of), outbox(of)],
        changes: changes.into_iter().map(added_to_jobs).collect(),
        indexes: vec![
            index("shares", &["version"]),
            index(
                "jobs",
                &[
                    "state",
                    "version",
                    "principal",
                    "urgency",
                    "created_at",
                    "id",
                ],
            ),
            index("outbox", &["dead", "not_before"]),
            index("outbox", &["dead", "created_at", "id"]),
            index("jobs", &["dead", "created_at", "id"]),
        ],
    }
}

fn shares(of: Columns) -> TableCreateStatement {
    of.table("shares")
        .col(of.key("job", ID).primary_key())
        .col(of.key("version", ID))
        .col(number("seats"))
        .col(of.text("shares_json"))
        .col(number("revision"))
        .foreign_key(&mut belongs("shares", "job", "jobs", "id"))
        .take()
}

fn turns(of: Columns) -> TableCreateStatement {
    of.table("turns")
        .col(of.key("version", ID))
        .col(of.key("principal", ID))
        .col(number("turn"))
        .primary_key(Index::create().col("version").col("principal"))
        .take()
}

/// Messages on their way to webhooks; `id` is the job's.
fn outbox(of: Columns) -> TableCreateStatement {
    of.table("outbox")
        .col(of.key("id", ID))
        .col(number("number"))
        .col(of.key("event", WORD))
        .col(of.text("url"))
        .col(number("created_at"))
        .col(number("tries"))
        .col(number("not_before"))
        .col(of.maybe_text("failure"))
        .col(ColumnDef::new("dead").boolean().not_null())
        .primary_key(Index::create().col("id").col("number"))
        .foreign_key(&mut belongs("outbox", "id", "jobs", "id"))
        .take()
}

fn added_to_jobs(column: ColumnDef) -> TableAlterStatement {
    Table::alter().table("jobs").add_column(column).take()
}
