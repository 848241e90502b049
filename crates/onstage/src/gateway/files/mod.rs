//! Files: upload, look, download, delete; and the files inside of predictions under the same links.
//! Does not know what they are for.

mod create;
mod delete;
pub(crate) mod download;
mod get;
mod list;
mod range;

use super::{
    blobs::copy,
    body,
    call::Call,
    input::{hide, read_blob},
    predictions::find::{self, Place},
    problem::Problem,
    said,
    table::{
        Gives::{Json, Media, Nothing, Page},
        PAGING, Route, Takes, route,
    },
    wire::value::{FileIn, Part, nth_attachment, nth_file, text},
};
use bytes::Bytes;
use onstage_core::{
    Id, file,
    job::{JobOutput, JobSpec, JobState},
    prediction::PredictionEnd,
    value::{BlobRef, Stored},
};

const ONE: &str = "/v1/files/{id}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(POST "/v1/files", Stakeholder, "Uploads a file", create::run)
            .takes(Takes::Form("NewFile"))
            .gives(201, Json("File"))
            .errors(&[400, 413, 415, 507]),
        route!(GET "/v1/files", Stakeholder, "Lists uploaded files; a stakeholder's own", list::run)
            .query(PAGING)
            .gives(200, Page("File")),
        route!(GET ONE, Stakeholder, "One file's record", get::run)
            .gives(200, Json("File"))
            .errors(&[404]),
        route!(GET "/v1/files/{id}/content", Stakeholder, "A file's bytes", download::run)
            .query(&[
                ("of", "`input` or `output`: a file inside of the prediction with this id"),
                ("n", "which of its files, from 0"),
                ("name", "a name for the download"),
            ])
            .gives(200, Media("application/octet-stream"))
            .gives(206, Media("application/octet-stream"))
            .errors(&[404, 416]),
        route!(DELETE ONE, Stakeholder, "Deletes a file of one's own", delete::run)
            .gives(204, Nothing)
            .errors(&[404]),
    ]
}

/// Errors: 404.
pub(crate) async fn find(call: &Call, id: &Id) -> Result<file::File, Problem> {
    call.state
        .parts
        .store
        .file(id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("There is no file `{id}`.")))
}

/// A file inside of a prediction: in memory while its record is on the way, else a blob.
pub(crate) struct Inside {
    pub(crate) name: Option<String>,
    pub(crate) media_type: String,
    place: InPlace,
}

enum InPlace {
    Memory(Bytes),
    Blob(BlobRef),
}

impl Inside {
    pub(crate) async fn bytes(&self, call: &Call, bytes_max: u64) -> Result<Bytes, Problem> {
        match &self.place {
            InPlace::Memory(bytes) => Ok(bytes.clone()),
            InPlace::Blob(blob) => read_blob(call, blob, bytes_max).await,
        }
    }

    /// Puts a copy of it under a key of its own, for what outlives the prediction.
    pub(crate) async fn to_blob(
        &self,
        call: &Call,
        key: &str,
        bytes_max: u64,
    ) -> Result<BlobRef, Problem> {
        let blobs = &*call.state.parts.blobs;
        let from = match &self.place {
            InPlace::Memory(bytes) => return Ok(blobs.put(key, bytes.clone()).await?),
            InPlace::Blob(blob) => blob,
        };
        if from.size_bytes > bytes_max {
            return Err(body::too_large(bytes_max));
        }
        let mut writer = blobs.writer(key).await?;
        copy(blobs, from, &mut *writer, |_| {}).await?;
        Ok(writer.finish().await?)
    }
}

impl From<FileIn> for Inside {
    fn from(file: FileIn) -> Self {
        Self {
            name: file.name,
            media_type: file.media_type,
            place: InPlace::Blob(file.blob),
        }
    }
}

/// The `number`th file of a prediction's input or output.
pub(crate) async fn inside(
    call: &Call,
    id: &Id,
    part: Part,
    number: usize,
) -> Result<Inside, Problem> {
    let missing = || {
        Problem::not_found(format!(
            "The {} of prediction `{id}` has no file {number}.",
            part.name()
        ))
    };
    let found = find::find(call, id).await?;
    // What a record or a flight hides is not in it; a job keeps all that its worker needs.
    let redacted = match &found {
        Place::Job(job) => find::hidden(call, &job.version).await?,
        _ => Vec::new(),
    };
    let stored: Stored = match (found, part) {
        (Place::Flight(ticket), Part::Input) => ticket.stored_input().clone(),
        (Place::Flight(ticket), Part::Output) => {
            let value = match ticket.told().map(|finished| finished.outcome.clone()) {
                Some(Ok(value)) => Some(value),
                Some(Err(_)) => None,
                None => ticket.snapshot().partial,
            };
            let (name, media_type, bytes) = value
                .and_then(|value| nth_attachment(&value, number))
                .ok_or_else(missing)?;
            return Ok(Inside {
                name,
                media_type,
                place: InPlace::Memory(bytes),
            });
        }
        (Place::Job(job), Part::Input) => match job.spec {
            JobSpec::Prediction { input, .. } => input,
            JobSpec::Batch(_) | JobSpec::Training(_) => return Err(missing()),
        },
        (Place::Job(job), Part::Output) => match job.state {
            JobState::Succeeded {
                output: JobOutput::Prediction { output, .. },
                ..
            } => output,
            JobState::Running { .. } => {
                let said = said::of_job(&*call.state.parts.store, &job.id).await?;
                let so_far = said.output().ok_or_else(missing)?;
                return nth_file(&so_far, number)
                    .map(Inside::from)
                    .ok_or_else(missing);
            }
            _ => return Err(missing()),
        },
        (Place::Record(record), Part::Input) => record.input,
        (Place::Record(record), Part::Output) => match record.end {
            PredictionEnd::Output(output) => output,
            PredictionEnd::Failure(_) => return Err(missing()),
        },
    };
    let mut json = text(&*call.state.parts.blobs, &stored).await?;
    if part == Part::Input {
        json = hide(json, &redacted);
    }
    nth_file(&json, number)
        .map(Inside::from)
        .ok_or_else(missing)
}
