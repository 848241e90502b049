//! Datasets: their versions, and which jobs refer to them; uploads that come in parts.
//! Never edited after a release.

use super::{
    Step,
    first::{Columns, ID, NAME, WORD, belongs, index, maybe_number, number},
};
use sea_orm::{
    DbBackend,
    sea_query::{Index, TableCreateStatement},
};

pub(super) fn step(backend: DbBackend) -> Step {
    let of = Columns(backend);
    Step {
        tables: vec![
            datasets(of),
            dataset_versions(of),
            dataset_uses(of),
            uploads(of),
            upload_parts(of),
        ],
        changes: Vec::new(),
        indexes: vec![
            index("dataset_versions", &["blob_sha256"]),
            index("dataset_uses", &["dataset", "number"]),
            index("uploads", &["touched_at"]),
        ],
    }
}

/// A row stays when all versions are gone, so that no number is given twice.
fn datasets(of: Columns) -> TableCreateStatement {
    of.table("datasets")
        .col(of.key("name", NAME).primary_key())
        .col(number("last_number"))
        .col(maybe_number("newest"))
        .col(number("versions"))
        .take()
}

fn dataset_versions(of: Columns) -> TableCreateStatement {
    of.table("dataset_versions")
        .col(of.key("dataset", NAME))
        .col(number("number"))
        .col(of.text("blob_key"))
        .col(number("blob_size_bytes"))
        .col(of.key("blob_sha256", ID))
        .col(of.text("file_name"))
        .col(of.text("media_type"))
        .col(of.key("format", WORD))
        .col(of.text("source_json"))
        .col(of.key("principal", ID))
        .col(number("created_at"))
        .primary_key(Index::create().col("dataset").col("number"))
        .foreign_key(&mut belongs(
            "dataset_versions",
            "dataset",
            "datasets",
            "name",
        ))
        .take()
}

/// A job's row takes its uses with it.
fn dataset_uses(of: Columns) -> TableCreateStatement {
    of.table("dataset_uses")
        .col(of.key("job", ID))
        .col(of.key("dataset", NAME))
        .col(number("number"))
        .primary_key(Index::create().col("job").col("dataset").col("number"))
        .foreign_key(&mut belongs("dataset_uses", "job", "jobs", "id"))
        .take()
}

fn uploads(of: Columns) -> TableCreateStatement {
    of.table("uploads")
        .col(of.key("id", ID).primary_key())
        .col(of.text("name"))
        .col(of.text("media_type"))
        .col(number("size_bytes"))
        .col(number("part_bytes"))
        .col(of.maybe_key("dataset", NAME))
        .col(of.maybe_key("format", WORD))
        .col(of.key("principal", ID))
        .col(number("created_at"))
        .col(number("touched_at"))
        .col(of.maybe_text("made_json"))
        .take()
}

fn upload_parts(of: Columns) -> TableCreateStatement {
    of.table("upload_parts")
        .col(of.key("upload", ID))
        .col(number("part"))
        .col(of.text("blob_key"))
        .col(number("blob_size_bytes"))
        .col(of.key("blob_sha256", ID))
        .primary_key(Index::create().col("upload").col("part"))
        .foreign_key(&mut belongs("upload_parts", "upload", "uploads", "id"))
        .take()
}
