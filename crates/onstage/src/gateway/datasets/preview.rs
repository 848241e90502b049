//! `GET …/preview`: the first rows of a version that is a table, and what is known of its columns.
//! Of an archive, the files that are in it; it is not unpacked.

use super::in_path;
use crate::gateway::{
    call::{self, Call},
    look::{self, Look, Wish},
    problem::Answer,
    wire::dataset,
};
use http::StatusCode;
use onstage_core::{dataset::DatasetVersion, ports::ArchiveList};
use serde::Deserialize;

const ROWS_DEFAULT: usize = 20;
const ROWS_MAX: usize = 200;
/// Of an archive.
const FILES_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Query {
    rows: Option<usize>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let version = in_path(&call).await?;
    let wish = Wish {
        rows: query.rows.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX),
        reads_on: true,
    };
    if version.format.is_folder() {
        let (list, note) = match look::into_archive(&call, &version, FILES_MAX).await {
            Err(problem) if problem.status.is_client_error() => {
                (ArchiveList::default(), Some(problem.detail))
            }
            listed => listed?,
        };
        return call::json(StatusCode::OK, &dataset::listed(&version, list, note));
    }
    let looked = look(&call, &version, wish).await?;
    call::json(StatusCode::OK, &dataset::preview(&version, looked))
}

/// What cannot be read as the table it says to be is a dataset all the same, and the preview says why there is none.
async fn look(
    call: &Call,
    version: &DatasetVersion,
    wish: Wish,
) -> Result<Look, crate::gateway::problem::Problem> {
    let nothing = |why: String| Look {
        columns: Vec::new(),
        rows: Vec::new(),
        rows_seen: 0,
        rows_total: None,
        stopped: Some(why),
    };
    let Some(format) = version.format.table() else {
        return Ok(nothing(
            "Only CSV, JSON lines, Parquet, Arrow, zip and tar have a preview.".to_owned(),
        ));
    };
    match look::look(call, &version.blob, format, wish).await {
        Err(problem) if problem.status.is_client_error() => Ok(nothing(problem.detail)),
        outcome => outcome,
    }
}
