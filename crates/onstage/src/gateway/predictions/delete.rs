//! `DELETE /v1/predictions/{id}`: a finished prediction, with its files.
//! Does not stop one that runs.

use super::find::{self, Place};
use crate::gateway::{
    blobs,
    call::{self, Call},
    input::folder_of,
    problem::{Answer, Problem},
    wire::value::blob_keys,
};
use http::StatusCode;
use onstage_core::{
    Id,
    job::{Job, JobSpec},
};
use std::collections::BTreeSet;

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = find::find(&call, &id).await?;
    find::own(&call, place.by())?;
    let parts = &call.state.parts;
    let mut folders = BTreeSet::from([folder_of(&id)]);
    match place {
        Place::Job(job) => {
            parts.store.delete_job(&job.id).await?;
            folders.extend(folders_of(&job));
        }
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
    // The record is gone, so nothing points at what is in these any more.
    for folder in &folders {
        blobs::remove_all(&call, folder).await;
    }
    Ok(call::no_content())
}

/// What its runs wrote, and where its input lies: of an id that the client chose, in a place of its own.
fn folders_of(job: &Job) -> Vec<String> {
    let mut folders = vec![format!("jobs/{}/", job.id)];
    if let JobSpec::Prediction { input, .. } = &job.spec {
        let place = |key: String| {
            let (place, _) = key.strip_prefix("predictions/")?.split_once('/')?;
            place.parse().ok()
        };
        let places = blob_keys(input).into_iter().filter_map(place);
        folders.extend(places.map(|place: Id| folder_of(&place)));
    }
    folders
}
