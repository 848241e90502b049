//! What batch jobs that many tasks share need: one record a job of how its rows are shared out.
//! Never edited after a release.

use super::{
    Step,
    first::{Columns, ID, belongs, index, number},
};
use sea_orm::{DbBackend, sea_query::TableCreateStatement};

pub(super) fn step(backend: DbBackend) -> Step {
    let of = Columns(backend);
    Step {
        tables: vec![shares(of)],
        indexes: vec![index("shares", &["version", "seats"])],
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
