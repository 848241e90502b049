//! The input of a training on its way in: checked, its datasets pinned to a version, its files pointed at and never read.
//! Does not start anything.

use crate::gateway::{
    body,
    call::{Call, shortened},
    input::{AtRest, at_rest, dataset},
    problem::Problem,
};
use bytes::Bytes;
use onstage_core::{
    Id,
    dataset::DatasetRef,
    limits::INLINE_BYTES_MAX,
    schema::ModelSchema,
    value::{BlobRef, Stored},
};
use onstage_engine::{
    datasets::stand_in as stand_in_of,
    inputs::stand_in::{self, StandIn},
};
use serde_json::{Value as Json, json};

const HIDDEN: &str = "[hidden]";
/// Of a data URL, in what is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// An input that a task may get.
pub(super) struct Prepared {
    pub(super) stored: Stored,
    /// As it was given, without what is secret.
    pub(super) shown: String,
    pub(super) datasets: Vec<DatasetRef>,
}

pub(super) async fn prepare(
    call: &Call,
    schema: &ModelSchema,
    id: &Id,
    json: &Bytes,
    hidden: &[String],
) -> Result<Prepared, Problem> {
    let check = call.state.parts.checks.input(schema)?;
    check
        .check(json)
        .map_err(|errors| Problem::unfit("/input", errors))?;
    let mut tree: Json = body::parse(json)?;
    let mut shown = tree.clone();
    let mut datasets: Vec<DatasetRef> = Vec::new();
    for (number, wanted) in stand_in::find(&tree, schema).into_iter().enumerate() {
        let (value, words) = match wanted.is_dataset {
            true => dataset_or_file(call, id, number, &wanted, &mut datasets).await?,
            false => file(call, id, number, &wanted).await?,
        };
        wanted.replace(&mut tree, value);
        wanted.replace(&mut shown, words.into());
    }
    for name in hidden {
        if let Some(value) = shown.get_mut(name) {
            *value = HIDDEN.into();
        }
    }
    Ok(Prepared {
        stored: stored(call, id, tree.to_string()).await?,
        shown: shown.to_string(),
        datasets,
    })
}

/// Where the blobs of a training's input lie.
pub(super) fn folder_of(id: &Id) -> String {
    format!("trainings/{id}/input/")
}

async fn stored(call: &Call, id: &Id, text: String) -> Result<Stored, Problem> {
    if text.len() <= INLINE_BYTES_MAX {
        return Ok(Stored::Inline(text));
    }
    let key = format!("{}value.json", folder_of(id));
    let blob = call.state.parts.blobs.put(&key, text.into()).await?;
    Ok(Stored::Blob(blob))
}

/// A dataset by its name is pinned to a version; anything that is a file may stand for one.
async fn dataset_or_file(
    call: &Call,
    id: &Id,
    number: usize,
    wanted: &StandIn,
    datasets: &mut Vec<DatasetRef>,
) -> Result<(Json, String), Problem> {
    let Some(which) = dataset::named(call, wanted).await? else {
        return file(call, id, number, wanted).await;
    };
    let named = (stand_in_of(&which), which.to_string());
    if !datasets.contains(&which) {
        datasets.push(which);
    }
    Ok(named)
}

async fn file(
    call: &Call,
    id: &Id,
    number: usize,
    wanted: &StandIn,
) -> Result<(Json, String), Problem> {
    let key = format!("{}file-{number}", folder_of(id));
    let found = at_rest(call, &key, &wanted.text).await?;
    let AtRest {
        blob,
        name,
        media_type,
    } = found.ok_or_else(|| neither(wanted))?;
    let words = name.clone().unwrap_or_else(|| {
        let text: String = wanted.text.chars().take(SHOWN_CHARS_MAX).collect();
        text
    });
    Ok((pointing_at(&blob, name, &media_type), words))
}

fn pointing_at(blob: &BlobRef, name: Option<String>, media_type: &str) -> Json {
    let mut object = json!({
        "$blob": blob.key,
        "media_type": media_type,
        "size": blob.size_bytes,
        "sha256": blob.sha256,
    });
    if let Some(name) = name {
        object["name"] = name.into();
    }
    object
}

fn neither(wanted: &StandIn) -> Problem {
    let what = match wanted.is_dataset {
        true => "the name of a dataset (`labels`, `labels@v3`), or a file that was uploaded",
        false => "a file: a data URL or the address of an uploaded file",
    };
    let pointer = format!("/input{}", wanted.pointer);
    Problem::field(&pointer, what, format!("`{}`", shortened(&wanted.text)))
        .hint("upload it first: `onstage data put NAME FILE`, or `POST /v1/files`")
}
