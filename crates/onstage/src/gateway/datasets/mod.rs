//! Datasets: versions that come in as one body, looked at, read and removed.
//! Does not know who trains with them.

mod add;
mod content;
mod delete;
mod get;
mod list;
mod preview;
mod put;

pub(crate) use add::{Coming, add, answer};
pub(crate) use put::format;

use super::{
    call::{Call, shortened},
    problem::Problem,
    table::{
        Gives::{Json, Media, Nothing, Page},
        PAGING, Route, Takes, route,
    },
};
use onstage_core::dataset::{self, DatasetName, DatasetRef, DatasetVersion};

const ALL: &str = "/v1/datasets/{name}";
const ONE: &str = "/v1/datasets/{name}/versions/{version}";
/// Stands for the newest version in a path.
const NEWEST: &str = "newest";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(PUT ALL, Owner, "Adds a version to a dataset: the body is the file", put::run)
            .query(&[
                ("filename", "the file's name; also read from `Content-Disposition`"),
                ("format", "`csv`, `jsonl`, `parquet`, `arrow`, `zip`, `tar` or `other`; else told by name, type and first bytes"),
            ])
            .takes(Takes::Bytes("application/octet-stream"))
            .gives(201, Json("DatasetVersion"))
            .gives(200, Json("DatasetVersion"))
            .errors(&[400, 413, 415, 422, 507]),
        route!(GET "/v1/datasets", Owner, "Lists datasets by name", list::datasets)
            .query(PAGING)
            .gives(200, Page("Dataset")),
        route!(GET ALL, Owner, "One dataset with its newest version", get::dataset)
            .gives(200, Json("Dataset"))
            .errors(&[404]),
        route!(DELETE ALL, Owner, "Deletes all versions of a dataset that no job refers to", delete::all)
            .gives(204, Nothing)
            .errors(&[404, 409]),
        route!(GET "/v1/datasets/{name}/versions", Owner, "Lists a dataset's versions, newest first", list::versions)
            .query(PAGING)
            .gives(200, Page("DatasetVersion"))
            .errors(&[400, 404]),
        route!(GET ONE, Owner, "One version, by number or `newest`", get::version)
            .gives(200, Json("DatasetVersion"))
            .errors(&[404]),
        route!(DELETE ONE, Owner, "Deletes a version that no job refers to", delete::one)
            .gives(204, Nothing)
            .errors(&[404, 409]),
        route!(GET "/v1/datasets/{name}/versions/{version}/content", Owner, "A version's bytes", content::run)
            .gives(200, Media("application/octet-stream"))
            .gives(206, Media("application/octet-stream"))
            .errors(&[404, 416]),
        route!(GET "/v1/datasets/{name}/versions/{version}/preview", Owner, "A version's first rows, its columns with their types and what is missing", preview::run)
            .query(&[("rows", "how many rows to show: 20 by default, 200 at most")])
            .gives(200, Json("DatasetPreview"))
            .errors(&[400, 404]),
    ]
}

/// The dataset in the path. A name that cannot be one is one that does not exist.
fn name(call: &Call) -> Result<DatasetName, Problem> {
    let text = call.param("name");
    text.parse().map_err(|_| none(&shortened(text)))
}

/// The version in the path.
async fn in_path(call: &Call) -> Result<DatasetVersion, Problem> {
    let name = name(call)?;
    let which = match call.param("version") {
        NEWEST => DatasetRef::newest(name),
        text => match dataset::parse_number(text) {
            Ok(number) => DatasetRef::exactly(name, number),
            Err(_) => return Err(none(&format!("{name}@{}", shortened(text)))),
        },
    };
    find(call, &which).await
}

/// Errors: 404.
pub(crate) async fn find(call: &Call, which: &DatasetRef) -> Result<DatasetVersion, Problem> {
    let found = call.state.parts.store.dataset_version(which).await?;
    found.ok_or_else(|| none(&which.to_string()))
}

fn none(which: &str) -> Problem {
    Problem::not_found(format!("There is no dataset `{which}`."))
}
