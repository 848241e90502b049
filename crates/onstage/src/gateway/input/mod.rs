//! A prediction's input on its way in: checked against the schema, its files found and read.
//! Does not start anything.

mod at_rest;
pub(crate) mod dataset;
mod file;
mod secret;

pub(crate) use at_rest::{AtRest, at_rest};
pub(crate) use file::{FileRef, PART_SCHEME, parse_ref, read_blob};
pub(crate) use secret::{hidden_fields, hide};

use super::{
    blobs,
    body::{budget::BUFFERED_BYTES_MAX, form::PartFile},
    call::Call,
    problem::Problem,
    wire::{
        prediction::links,
        value::{Part, show_text},
    },
};
use bytes::Bytes;
use http::StatusCode;
use onstage_core::{
    Id,
    dataset::DatasetRef,
    job::JobSpec,
    limits::INLINE_BYTES_MAX,
    ports::Placed,
    value::{Stored, Value},
};
use onstage_engine::{
    Loaded,
    datasets::{self, stand_in as stand_in_of},
    inputs::stand_in,
    values::store_value,
};
use serde_json::Value as Json;
use std::sync::Arc;

/// The files of one input, all told: what one request may hold in memory.
const FILES_BYTES_MAX: u64 = BUFFERED_BYTES_MAX as u64;
/// Files in one input.
const FILES_MAX: usize = 1024;

/// An input that a worker may get.
#[derive(Clone)]
pub(crate) struct Prepared {
    /// As it is shown back, when it is recorded.
    pub(crate) shown: Bytes,
    /// As it goes to the record.
    pub(crate) stored: Stored,
    /// What is to be recorded: not what is hidden, and files only when they came in the request's form.
    kept: Value,
    /// As it goes to the worker, but for its datasets until they are placed.
    pub(crate) value: Value,
    /// What keeps them on this host.
    pub(crate) placed: Arc<[Placed]>,
    /// As it goes to a job with datasets, which may be placed elsewhere.
    at_rest: Option<Value>,
    /// Each once, with its number.
    datasets: Vec<DatasetRef>,
    /// Under which its blobs lie. Never an id that a client chose: it may be somebody else's already.
    pub(crate) place: Id,
}

impl Prepared {
    /// As it goes to a job, which a later process runs.
    pub(crate) async fn for_job(&self, call: &Call) -> Result<JobSpec, Problem> {
        let prefix = format!("predictions/{}/input", self.place);
        let value = self.at_rest.as_ref().unwrap_or(&self.value);
        Ok(JobSpec::Prediction {
            input: store_value(&*call.state.parts.blobs, &prefix, value).await?,
            datasets: self.datasets.clone(),
        })
    }

    /// Keeps it for the record of a prediction that runs here; a job has its input whole. What is large goes into a blob.
    pub(crate) async fn record(&mut self, call: &Call) -> Result<(), Problem> {
        let blobs = &*call.state.parts.blobs;
        let kept = &self.kept;
        if kept.attachments.is_empty() && kept.json.len() <= INLINE_BYTES_MAX {
            self.stored = Stored::Inline(String::from_utf8_lossy(&kept.json).into_owned());
            self.shown = kept.json.clone();
            return Ok(());
        }
        let folder = format!("predictions/{}/record", self.place);
        self.stored = store_value(blobs, &folder, kept).await?;
        let text = super::wire::value::text(blobs, &self.stored).await?;
        self.shown = show_text(blobs, text, &links(call, &self.place, Part::Input)).await?;
        Ok(())
    }

    /// Removes what was put into blobs for a prediction that will not be.
    pub(crate) async fn forget(&self, call: &Call) {
        blobs::remove_all(call, &folder_of(&self.place)).await;
    }

    /// Puts its datasets onto this host, for a worker here.
    pub(crate) async fn place(&mut self, call: &Call) -> Result<(), Problem> {
        if self.datasets.is_empty() {
            return Ok(());
        }
        let (value, placed) = datasets::place(&call.state.parts, &self.value).await?;
        self.at_rest = Some(std::mem::replace(&mut self.value, value));
        self.placed = placed.into();
        Ok(())
    }
}

/// Checks an input and reads its files. `form` are the files that came in the same request.
pub(crate) async fn prepare(
    call: &Call,
    loaded: &Loaded,
    id: &Id,
    json: Bytes,
    form: Vec<PartFile>,
) -> Result<Prepared, Problem> {
    loaded
        .input
        .check(&json)
        .map_err(|errors| Problem::unfit("/input", errors))?;
    let found = if stand_in::may_have_files(&loaded.schema) {
        with_files(call, loaded, json, &form).await?
    } else {
        Found::plain(json)
    };
    let hidden = hidden_fields(Some(&loaded.schema), &loaded.version.config);
    let kept = match form.is_empty() {
        true => Value::json(found.json),
        false => found.value.clone(),
    };
    Ok(Prepared {
        shown: Bytes::new(),
        stored: Stored::Removed,
        kept: Value {
            json: hide(kept.json, &hidden),
            ..kept
        },
        value: found.value,
        placed: Arc::default(),
        at_rest: None,
        datasets: found.datasets,
        place: id.clone(),
    })
}

/// An input whose files and datasets were looked for.
struct Found {
    /// As it came, but for datasets: their versions have numbers.
    json: Bytes,
    /// With files as attachments and datasets by name.
    value: Value,
    datasets: Vec<DatasetRef>,
}

impl Found {
    fn plain(json: Bytes) -> Self {
        Self {
            value: Value::json(json.clone()),
            json,
            datasets: Vec::new(),
        }
    }
}

/// Where the blobs of a prediction with this id, or with this place of its own, lie.
pub(crate) fn folder_of(id: &Id) -> String {
    format!("predictions/{id}/")
}

/// The value with its files as attachments and its datasets pinned to a version.
async fn with_files(
    call: &Call,
    loaded: &Loaded,
    json: Bytes,
    form: &[PartFile],
) -> Result<Found, Problem> {
    let mut tree: Json = super::body::parse(&json)?;
    let wanted = stand_in::find(&tree, &loaded.schema);
    if wanted.is_empty() {
        return Ok(Found::plain(json));
    }
    if wanted.len() > FILES_MAX {
        return Err(Problem::invalid(
            "too_many_files",
            format!("An input may have {FILES_MAX} files at most."),
        ));
    }
    let mut shown = tree.clone();
    let mut datasets = Vec::new();
    let mut attachments = Vec::with_capacity(wanted.len());
    let mut bytes_left = FILES_BYTES_MAX;
    for wanted in &wanted {
        if let Some(which) = dataset::named(call, wanted).await? {
            wanted.replace(&mut tree, stand_in_of(&which));
            wanted.replace(&mut shown, which.to_string().into());
            if !datasets.contains(&which) {
                datasets.push(which);
            }
            continue;
        }
        let file = file::read(call, wanted, form, bytes_left).await?;
        bytes_left = bytes_left.saturating_sub(file.bytes.len() as u64);
        wanted.replace(&mut tree, file::attached(attachments.len(), &file));
        attachments.push(file.bytes);
    }
    Ok(Found {
        json: match datasets.is_empty() {
            true => json,
            false => Bytes::from(shown.to_string()),
        },
        value: Value {
            json: Bytes::from(tree.to_string()),
            attachments,
        },
        datasets,
    })
}

/// What is said when the files of an input are too much for one request.
pub(crate) fn files_too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "files_too_large",
        format!("The files of one input may have {FILES_BYTES_MAX} bytes in all."),
    )
}
