//! Usage: what was computed, summed up by day.
//! Never edited after a release.

use super::{
    Step,
    first::{Columns, ID, NAME, WORD, index, number},
};
use sea_orm::{
    DbBackend,
    sea_query::{Index, TableCreateStatement},
};

pub(super) fn step(backend: DbBackend) -> Step {
    Step {
        tables: vec![usage_days(Columns(backend))],
        changes: Vec::new(),
        indexes: vec![index("usage_days", &["model", "day"])],
    }
}

fn usage_days(of: Columns) -> TableCreateStatement {
    of.table("usage_days")
        .col(number("day"))
        .col(of.key("model", NAME))
        .col(number("version_number"))
        .col(of.key("principal", ID))
        .col(of.key("kind", WORD))
        .col(number("runs"))
        .col(number("compute_ms"))
        .col(number("cpu_ms"))
        .col(number("gpu_milli_ms"))
        .col(number("memory_mib_ms"))
        .col(number("bytes_in"))
        .col(number("bytes_out"))
        .primary_key(
            Index::create()
                .col("day")
                .col("model")
                .col("version_number")
                .col("principal")
                .col("kind"),
        )
        .take()
}
