//! `GET /v1/batches/{id}/result`: the table with the answers, as a download.
//! Does not make it; the task that finishes does.

use super::find::{self, Found};
use crate::gateway::{
    call::Call,
    files::download,
    problem::{Answer, Problem},
};
use http::StatusCode;
use onstage_core::job::{JobOutput, JobState};

pub(crate) async fn run(call: Call) -> Answer {
    let found = find::find(&call, &call.id()?).await?;
    match &found.job.state {
        JobState::Succeeded {
            output: JobOutput::Batch { result, .. },
            ..
        } => download::blob(&call, result, &name(&found), found.spec.format.media_type()),
        state => Err(Problem::new(
            StatusCode::CONFLICT,
            "no_result",
            format!(
                "The batch job `{}` is {} and has no result.",
                found.job.id,
                state.name()
            ),
        )),
    }
}

/// `fish.csv` becomes `fish-age-v3.csv`.
fn name(found: &Found) -> String {
    let table = &found.spec.table_name;
    let stem = table
        .rsplit_once('.')
        .map_or(table.as_str(), |(stem, _)| stem);
    format!(
        "{stem}-{}-v{}.{}",
        found.job.model.name(),
        found.job.version_number,
        found.spec.format.name()
    )
}
