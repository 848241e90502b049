//! The input of a training on its way in: checked, its datasets pinned to a version, its files pointed at and never read.
//! Does not start anything.

use crate::gateway::{
    body::{self, upload},
    call::{Call, shortened},
    files,
    input::{FileRef, parse_ref},
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
use serde_json::{Map, Value as Json, json};

/// Schemas inside schemas.
const DEPTH_MAX: usize = 32;
const FILE_TYPES: [&str; 5] = ["file", "image", "audio", "video", "table"];
const DATASET: &str = "dataset";
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

/// A text of the input that stands for something else.
struct Wanted {
    pointer: String,
    text: String,
    is_dataset: bool,
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
    for (number, wanted) in found(&tree, schema).into_iter().enumerate() {
        let (stand_in, words) = match wanted.is_dataset {
            true => dataset_or_file(call, id, number, &wanted, &mut datasets).await?,
            false => file(call, id, number, &wanted).await?,
        };
        put(&mut tree, &wanted.pointer, stand_in);
        put(&mut shown, &wanted.pointer, words.into());
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

async fn stored(call: &Call, id: &Id, text: String) -> Result<Stored, Problem> {
    if text.len() <= INLINE_BYTES_MAX {
        return Ok(Stored::Inline(text));
    }
    let key = format!("trainings/{id}/input/value.json");
    let blob = call.state.parts.blobs.put(&key, text.into()).await?;
    Ok(Stored::Blob(blob))
}

/// A dataset by its name is pinned to a version; anything that is a file may stand for one.
async fn dataset_or_file(
    call: &Call,
    id: &Id,
    number: usize,
    wanted: &Wanted,
    datasets: &mut Vec<DatasetRef>,
) -> Result<(Json, String), Problem> {
    let Ok(which) = wanted.text.parse::<DatasetRef>() else {
        return file(call, id, number, wanted).await;
    };
    let version = call.state.parts.store.dataset_version(&which).await?;
    let version = version.ok_or_else(|| {
        Problem::field(
            &format!("/input{}", wanted.pointer),
            "the name of a dataset that is there",
            format!("`{which}`, which is not"),
        )
        .hint("`onstage data ls` lists the datasets")
    })?;
    let which = version.reference();
    let words = which.to_string();
    if !datasets.contains(&which) {
        datasets.push(which);
    }
    Ok((json!({ "$dataset": words.as_str() }), words))
}

async fn file(
    call: &Call,
    id: &Id,
    number: usize,
    wanted: &Wanted,
) -> Result<(Json, String), Problem> {
    let own = call.own_host().to_owned();
    let key = format!("trainings/{id}/input/file-{number}");
    let found = parse_ref(&wanted.text, |host| host.eq_ignore_ascii_case(&own));
    let (blob, name, media_type) = match found {
        Some(FileRef::Uploaded(file)) => {
            let file = files::find(call, &file).await?;
            (file.blob, Some(file.name), file.media_type)
        }
        Some(FileRef::Data { media_type, bytes }) => {
            let blob = upload::bytes_to_blob(call, bytes, &key).await?;
            (blob, None, media_type)
        }
        Some(FileRef::Inside {
            id: from,
            part,
            number,
        }) => {
            let file = files::inside(call, &from, part, number).await?;
            let most = call.state.settings.upload_bytes_max;
            let bytes = file.bytes(call, most).await?;
            let blob = upload::bytes_to_blob(call, bytes, &key).await?;
            (blob, file.name, file.media_type)
        }
        Some(FileRef::FormPart(_)) | None => return Err(neither(wanted)),
    };
    let words = name.clone().unwrap_or_else(|| {
        let text: String = wanted.text.chars().take(SHOWN_CHARS_MAX).collect();
        text
    });
    Ok((stand_in(&blob, name, &media_type), words))
}

fn stand_in(blob: &BlobRef, name: Option<String>, media_type: &str) -> Json {
    let mut object = json!({
        "$blob": blob.key,
        "media_type": media_type,
        "size": blob.size_bytes,
    });
    if let Some(name) = name {
        object["name"] = name.into();
    }
    object
}

fn neither(wanted: &Wanted) -> Problem {
    let what = match wanted.is_dataset {
        true => "the name of a dataset (`labels`, `labels@v3`), or a file that was uploaded",
        false => "a file: a data URL or the address of an uploaded file",
    };
    let pointer = format!("/input{}", wanted.pointer);
    Problem::field(&pointer, what, format!("`{}`", shortened(&wanted.text)))
        .hint("upload it first: `onstage data put NAME FILE`, or `POST /v1/files`")
}

fn put(tree: &mut Json, pointer: &str, value: Json) {
    if let Some(place) = tree.pointer_mut(pointer) {
        *place = value;
    }
}

/// The texts that stand for files and datasets, by the schema.
fn found(tree: &Json, schema: &ModelSchema) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    if let Some(input) = schema.input() {
        let definitions = &schema.components.schemas;
        walk(tree, input, definitions, "", DEPTH_MAX, &mut wanted);
    }
    wanted
}

fn walk(
    value: &Json,
    schema: &Json,
    definitions: &Map<String, Json>,
    pointer: &str,
    depth_left: usize,
    wanted: &mut Vec<Wanted>,
) {
    let Some(object) = schema.as_object().filter(|_| depth_left > 0) else {
        return;
    };
    let kind = object.get("x-onstage-type").and_then(Json::as_str);
    let is_dataset = kind == Some(DATASET);
    if is_dataset || kind.is_some_and(|kind| FILE_TYPES.contains(&kind)) {
        if let Json::String(text) = value {
            wanted.push(Wanted {
                pointer: pointer.to_owned(),
                text: text.clone(),
                is_dataset,
            });
        }
        return;
    }
    let referred = object
        .get("$ref")
        .and_then(Json::as_str)
        .and_then(|path| definitions.get(path.rsplit('/').next()?));
    let branches = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|key| object.get(*key)?.as_array())
        .flatten();
    for inner in branches.chain(referred) {
        walk(value, inner, definitions, pointer, depth_left - 1, wanted);
    }
    let inside = |name: &str| match value {
        Json::Object(_) => {
            let properties = object.get("properties").and_then(Json::as_object);
            properties
                .and_then(|properties| properties.get(name))
                .or(object.get("additionalProperties"))
        }
        _ => object.get("items"),
    };
    let parts: Vec<(String, &Json)> = match value {
        Json::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Json::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.map(|(n, item)| (n.to_string(), item)).collect()
        }
        _ => return,
    };
    for (name, part) in parts {
        if let Some(schema) = inside(&name) {
            let name = name.replace('~', "~0").replace('/', "~1");
            let pointer = format!("{pointer}/{name}");
            walk(part, schema, definitions, &pointer, depth_left - 1, wanted);
        }
    }
}
