//! Datasets inside of inputs: at rest by name and number (`$dataset`), for a worker as paths on its host.
//! Does not know who computes with them.

use crate::parts::Parts;
use bytes::Bytes;
use onstage_core::{
    Error, Result,
    dataset::{DatasetRef, DatasetVersion},
    ports::Placed,
    value::Value,
};
use serde_json::{Map, Value as Json, json};

/// The key of the object that stands for a dataset at rest.
const KEY: &str = "$dataset";

/// What stands for a version of a dataset in an input at rest.
pub fn stand_in(which: &DatasetRef) -> Json {
    json!({ KEY: which.to_string() })
}

/// The input with its datasets on this host, and what keeps them there.
/// Errors: not found, when one was deleted; those of `DatasetPlace`.
pub async fn place(parts: &Parts, input: &Value) -> Result<(Value, Vec<Placed>)> {
    if !mentions(&input.json) {
        return Ok((input.clone(), Vec::new()));
    }
    let read = serde_json::from_slice(&input.json);
    let mut tree: Json =
        read.map_err(|error| Error::invalid("an input is not JSON").because(error))?;
    let mut all = Vec::new();
    for (pointer, which) in find(&tree) {
        let (version, placed) = place_one(parts, &which.parse()?).await?;
        replace(&mut tree, &pointer, on_host(&version, &placed));
        all.push(placed);
    }
    let value = Value {
        json: Bytes::from(tree.to_string()),
        attachments: input.attachments.clone(),
    };
    Ok((value, all))
}

async fn place_one(parts: &Parts, which: &DatasetRef) -> Result<(DatasetVersion, Placed)> {
    let version = parts.store.dataset_version(which).await?;
    let version = version.ok_or_else(|| none(which))?;
    let placed = parts.datasets.place(&version.content()).await?;
    Ok((version, placed))
}

pub(crate) fn none(which: &DatasetRef) -> Error {
    Error::not_found(format!("there is no dataset `{which}`"))
}

/// The object that stands for a dataset on this host.
pub(crate) fn on_host(version: &DatasetVersion, placed: &Placed) -> Json {
    json!({
        "$path": placed.path,
        "name": version.file_name,
        "media_type": version.media_type,
        "dataset": version.reference().to_string(),
    })
}

/// The `$dataset` objects in the tree: where, and which.
pub(crate) fn find(tree: &Json) -> Vec<(String, String)> {
    let mut found = Vec::new();
    each_object(tree, "", &mut |pointer, object| {
        if let Some(which) = object.get(KEY).and_then(Json::as_str) {
            found.push((pointer.to_owned(), which.to_owned()));
        }
    });
    found
}

pub(crate) fn replace(tree: &mut Json, pointer: &str, with: Json) {
    if let Some(place) = tree.pointer_mut(pointer) {
        *place = with;
    }
}

/// Every object of a tree, with the JSON pointer to it.
pub(crate) fn each_object(
    tree: &Json,
    pointer: &str,
    visit: &mut dyn FnMut(&str, &Map<String, Json>),
) {
    match tree {
        Json::Object(object) => {
            visit(pointer, object);
            for (name, inner) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                each_object(inner, &format!("{pointer}/{name}"), visit);
            }
        }
        Json::Array(list) => {
            for (place, inner) in list.iter().enumerate() {
                each_object(inner, &format!("{pointer}/{place}"), visit);
            }
        }
        _ => {}
    }
}

fn mentions(json: &[u8]) -> bool {
    let key = format!("\"{KEY}\"");
    json.windows(key.len())
        .any(|window| window == key.as_bytes())
}
