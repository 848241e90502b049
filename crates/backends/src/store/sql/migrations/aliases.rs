//! Aliases: names of a model's versions, in the model's own row.
//! Never edited after a release.

use super::{Step, first::Columns};
use sea_orm::{DbBackend, sea_query::Table};

pub(super) fn step(backend: DbBackend) -> Step {
    let aliases = Columns(backend).maybe_text("aliases_json");
    Step {
        tables: Vec::new(),
        changes: vec![Table::alter().table("models").add_column(aliases).take()],
        indexes: Vec::new(),
    }
}
