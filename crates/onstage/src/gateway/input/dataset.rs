//! Datasets that inputs name: `labels`, `labels@v3`, `onstage://datasets/labels`; for the owner only.
//! Does not read them.

use crate::gateway::{call::Call, problem::Problem};
use onstage_core::dataset::DatasetRef;
use onstage_engine::inputs::stand_in::StandIn;

/// What may stand before a dataset's name where a file could be meant as well.
pub(crate) const SCHEME: &str = "onstage://datasets/";

/// The version that the text names, with its number; none where it names no dataset at all.
/// Errors: 422 when there is no such dataset; 403 when it is not for the caller.
pub(crate) async fn named(call: &Call, wanted: &StandIn) -> Result<Option<DatasetRef>, Problem> {
    let name = wanted.text.strip_prefix(SCHEME);
    let Ok(which) = name.unwrap_or(&wanted.text).parse::<DatasetRef>() else {
        return Ok(None);
    };
    if !wanted.is_dataset {
        return Ok(None);
    }
    allow(call)?;
    let version = call.state.parts.store.dataset_version(&which).await?;
    let version = version.ok_or_else(|| {
        Problem::field(
            &format!("/input{}", wanted.pointer),
            "the name of a dataset that is there",
            format!("`{which}`, which is not"),
        )
        .hint("`onstage data ls` lists the datasets")
    })?;
    Ok(Some(version.reference()))
}

/// Datasets are the owner's.
pub(crate) fn allow(call: &Call) -> Result<(), Problem> {
    if call.is_owner() {
        return Ok(());
    }
    Err(Problem::forbidden(
        "owner_only",
        "Only the owner of this installation may read datasets.",
    ))
}
