//! `DELETE /v1/predictions/{id}`: a finished prediction, with its files.
//! Does not stop one that runs.

use super::find::{self, Place};
use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
};
use http::StatusCode;

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = find::find(&call, &id).await?;
    find::own(&call, place.by())?;
    let parts = &call.state.parts;
    match place {
        Place::Job(job) => parts.store.delete_job(&job.id).await?,
        Place::Record(record) => parts.store.delete_prediction(&record.id).await?,
        Place::Flight(_) => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "still_running",
                "The prediction has not ended, or its record is being written.",
            )
            .hint("cancel it first, or try again in a second"));
        }
    }
    // The record is gone, so nothing points at these any more; what cannot be removed now is only space.
    for key in parts.blobs.list(&format!("predictions/{id}/")).await? {
        if let Err(error) = parts.blobs.delete(&key).await {
            tracing::warn!(key, %error, "a blob of a deleted prediction stays");
        }
    }
    Ok(call::no_content())
}
