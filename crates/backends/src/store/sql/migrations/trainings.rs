//! Trainings: their checkpoints, and what versions say of their weights and lineage.
//! Never edited after a release.

use super::{
    Step,
    first::{Columns, ID, belongs, number},
};
use sea_orm::{
    DbBackend,
    sea_query::{ColumnDef, Index, Table, TableAlterStatement, TableCreateStatement},
};

pub(super) fn step(backend: DbBackend) -> Step {
    let of = Columns(backend);
    // One column each: SQLite adds no more at a time.
    let changes = [of.maybe_text("weights_json"), of.maybe_text("lineage_json")];
    Step {
        tables: vec![checkpoints(of)],
        changes: changes.into_iter().map(added_to_versions).collect(),
        indexes: Vec::new(),
    }
}

fn checkpoints(of: Columns) -> TableCreateStatement {
    of.table("checkpoints")
        .col(of.key("job", ID))
        .col(number("number"))
        .col(number("run"))
        .col(of.text("name"))
        .col(ColumnDef::new("is_folder").boolean().not_null())
        .col(of.text("blob_key"))
        .col(number("blob_size_bytes"))
        .col(of.key("blob_sha256", ID))
        .col(number("created_at"))
        .primary_key(Index::create().col("job").col("number"))
        .foreign_key(&mut belongs("checkpoints", "job", "jobs", "id"))
        .take()
}

fn added_to_versions(column: ColumnDef) -> TableAlterStatement {
    Table::alter().table("versions").add_column(column).take()
}
