//! Schedules: jobs that are made again and again.
//! Never edited after a release.

use super::{
    Step,
    first::{Columns, ID, NAME, belongs, index, maybe_number, number},
};
use sea_orm::{DbBackend, sea_query::TableCreateStatement};

pub(super) fn step(backend: DbBackend) -> Step {
    Step {
        tables: vec![schedules(Columns(backend))],
        changes: Vec::new(),
        indexes: vec![
            index("schedules", &["due_at", "id"]),
            index("schedules", &["created_at", "id"]),
            index("schedules", &["model", "created_at", "id"]),
        ],
    }
}

fn schedules(of: Columns) -> TableCreateStatement {
    of.table("schedules")
        .col(of.key("id", ID).primary_key())
        .col(of.key("model", NAME))
        .col(number("created_at"))
        .col(maybe_number("due_at"))
        .col(number("revision"))
        .col(of.text("record_json"))
        .foreign_key(&mut belongs("schedules", "model", "models", "name"))
        .take()
}
