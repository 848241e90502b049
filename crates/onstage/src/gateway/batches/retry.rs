//! `POST /v1/batches/{id}/retry`: a new batch job of the rows that failed, on the live version.
//! Does not read rows.

use super::{
    create::{self, Asked},
    find,
};
use crate::gateway::{
    body,
    call::{Call, shortened},
    predictions::{self, find::own},
    problem::{Answer, Problem},
    wire::batch::Retry,
};
use http::{StatusCode, header};
use onstage_core::batch::BatchSpec;

pub(crate) async fn run(mut call: Call) -> Answer {
    let id = call.id()?;
    if call.headers.contains_key(header::CONTENT_TYPE) {
        let retry: Retry = body::json(&mut call).await?;
        if let Some(only) = retry.only.filter(|only| only != "failed") {
            return Err(Problem::field("/only", "`failed`", shortened(&only)));
        }
    }
    let found = find::find(&call, &id).await?;
    own(&call, &found.job.by)?;
    let done = find::done(&call, &found.job).await?;
    if !found.job.state.is_final() || done.failed == 0 {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "nothing_to_retry",
            format!("The batch job `{id}` has no failed rows, or has not ended."),
        ));
    }
    let loaded = predictions::live(&call, &found.job.model).await?;
    let spec = BatchSpec {
        only_rows_of: Some(id.clone()),
        ..found.spec
    };
    let new = call.state.parts.new_id();
    let asked = Asked {
        spec,
        rows: Some(done.failed),
        webhook: found.job.webhook,
        body_sha256: format!("retry {id}"),
    };
    create::submit(&call, &loaded, new, asked).await
}
