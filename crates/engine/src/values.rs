//! Values at rest: files inside a value as blobs (`$blob`), the JSON around them inline or a blob; and back again.
//! Does not know who stores them or why.

use bytes::Bytes;
use onstage_core::{
    Error, Result,
    limits::INLINE_BYTES_MAX,
    ports::Blobs,
    tensor::Described,
    value::{BlobRef, Stored, Value},
};
use serde_json::{Map, Value as Json, json};

/// Tensors up to this size are kept as lists in the JSON: a blob for a few numbers costs more than it is worth.
const LISTED_BYTES_MAX: usize = 4 * 1024;

/// What is kept of large tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Large {
    InBlobs,
    /// Type and shape only: `"data": null`.
    Described,
}

/// Stores a value; blobs go under `prefix` (path segments without a final `/`).
pub async fn store_value(blobs: &dyn Blobs, prefix: &str, value: &Value) -> Result<Stored> {
    store(blobs, prefix, value, Large::InBlobs).await
}

/// As `store_value`, without the numbers of large tensors: for a record of what its caller has in full.
pub async fn store_brief(blobs: &dyn Blobs, prefix: &str, value: &Value) -> Result<Stored> {
    store(blobs, prefix, value, Large::Described).await
}

async fn store(blobs: &dyn Blobs, prefix: &str, value: &Value, large: Large) -> Result<Stored> {
    let text = if value.attachments.is_empty() {
        text_of(&value.json)?
    } else {
        with_blobs(blobs, prefix, value, large).await?
    };
    if text.len() <= INLINE_BYTES_MAX {
        return Ok(Stored::Inline(text));
    }
    let key = format!("{prefix}/value.json");
    blobs.put(&key, Bytes::from(text)).await.map(Stored::Blob)
}

/// Loads a value as a worker takes it: `$blob` objects become attachments.
pub async fn load_value(blobs: &dyn Blobs, stored: &Stored) -> Result<Value> {
    let json = match stored {
        Stored::Inline(text) => Bytes::copy_from_slice(text.as_bytes()),
        Stored::Blob(blob) => blobs.get(blob).await?,
    };
    if !contains(&json, b"\"$blob\"") {
        return Ok(Value::json(json));
    }
    let mut tree = parse(&json)?;
    let mut found = Vec::new();
    each_file(&mut tree, "$blob", &mut |file| {
        if let Some(key) = file.get("$blob").and_then(Json::as_str).map(str::to_owned) {
            let size = file.get("size").and_then(Json::as_u64).unwrap_or(0);
            replace_reference(file, "$attachment", json!(found.len()));
            found.push((key, size));
        }
    });
    let mut attachments = Vec::with_capacity(found.len());
    for (key, size) in found {
        attachments.push(read_blob(blobs, key, size).await?);
    }
    Ok(Value {
        json: Bytes::from(tree.to_string()),
        attachments,
    })
}

/// A JSON array of pieces, each with its own attachments, as one value.
pub fn join(pieces: &[Value]) -> Value {
    let mut joined = Vec::with_capacity(pieces.iter().map(|piece| piece.json.len() + 1).sum());
    let mut attachments = Vec::new();
    joined.push(b'[');
    for (place, piece) in pieces.iter().enumerate() {
        if place > 0 {
            joined.push(b',');
        }
        joined.extend_from_slice(&shifted(piece, attachments.len()));
        attachments.extend(piece.attachments.iter().cloned());
    }
    joined.push(b']');
    Value {
        json: Bytes::from(joined),
        attachments,
    }
}

/// The piece's JSON with its `$attachment` numbers raised by `by`.
pub fn shifted(piece: &Value, by: usize) -> Bytes {
    if by == 0 || piece.attachments.is_empty() {
        return piece.json.clone();
    }
    let Ok(mut tree) = parse(&piece.json) else {
        return piece.json.clone();
    };
    each_file(&mut tree, "$attachment", &mut |file| {
        if let Some(number) = file.get("$attachment").and_then(Json::as_u64) {
            file.insert("$attachment".to_owned(), json!(number + by as u64));
        }
    });
    Bytes::from(tree.to_string())
}

async fn with_blobs(
    blobs: &dyn Blobs,
    prefix: &str,
    value: &Value,
    large: Large,
) -> Result<String> {
    let mut tree = parse(&value.json)?;
    list_tensors(&mut tree, &value.attachments, large);
    let mut stored: Vec<Option<BlobRef>> = vec![None; value.attachments.len()];
    for number in named(&mut tree) {
        let bytes = value.attachments.get(number);
        let bytes = bytes.ok_or_else(|| unknown(number, value.attachments.len()))?;
        if stored[number].is_none() {
            let key = format!("{prefix}/file-{number}");
            stored[number] = Some(blobs.put(&key, bytes.clone()).await?);
        }
    }
    each_file(&mut tree, "$attachment", &mut |file| {
        if let Some(Some(blob)) = number_of(file).and_then(|number| stored.get(number)) {
            point_at(file, blob);
        }
    });
    Ok(tree.to_string())
}

/// The numbers of all attachments that are left in the JSON; one that is no number is beyond every list.
fn named(tree: &mut Json) -> Vec<usize> {
    let mut numbers = Vec::new();
    each_file(tree, "$attachment", &mut |file| {
        numbers.push(number_of(file).unwrap_or(usize::MAX));
    });
    numbers
}

fn number_of(file: &Map<String, Json>) -> Option<usize> {
    usize::try_from(file.get("$attachment")?.as_u64()?).ok()
}

fn unknown(number: usize, attachments: usize) -> Error {
    Error::invalid(format!(
        "attachment `{number}` is named in a value that has {attachments} attachments"
    ))
}

/// Small tensors become their lists, where JSON has words for their numbers.
fn list_tensors(tree: &mut Json, attachments: &[Bytes], large: Large) {
    each_file(tree, "$attachment", &mut |file| {
        let Some(described) = Described::of(file) else {
            return;
        };
        let bytes = number_of(file).and_then(|number| attachments.get(number));
        let listed = match bytes {
            Some(bytes) if bytes.len() <= LISTED_BYTES_MAX => listed(&described, bytes),
            Some(_) if large == Large::Described => Some(described.with_data(&Json::Null)),
            _ => None,
        };
        if let Some(Json::Object(listed)) = listed {
            *file = listed;
        }
    });
}

fn listed(described: &Described, bytes: &[u8]) -> Option<Json> {
    serde_json::from_str(&described.in_json(bytes)?).ok()
}

/// A value's JSON with the numbers of its tensors in it, where JSON has words for them. Other attachments stay as they are.
pub fn spelled_out(value: &Value) -> Result<Json> {
    let mut tree = parse(&value.json)?;
    each_file(&mut tree, "$attachment", &mut |file| {
        let bytes = number_of(file).and_then(|number| value.attachments.get(number));
        let listed = Described::of(file).zip(bytes);
        if let Some(Json::Object(listed)) =
            listed.and_then(|(tensor, bytes)| self::listed(&tensor, bytes))
        {
            *file = listed;
        }
    });
    Ok(tree)
}

fn point_at(file: &mut Map<String, Json>, blob: &BlobRef) {
    replace_reference(file, "$blob", json!(blob.key));
    file.insert("size".to_owned(), json!(blob.size_bytes));
}

/// Swaps the object's `$…` key for another, which goes first.
fn replace_reference(file: &mut Map<String, Json>, key: &str, to: Json) {
    let rest = std::mem::take(file);
    file.insert(key.to_owned(), to);
    let kept = ["name", "media_type", "dtype", "shape"];
    file.extend(
        rest.into_iter()
            .filter(|(name, _)| kept.contains(&name.as_str())),
    );
}

async fn read_blob(blobs: &dyn Blobs, key: String, size: u64) -> Result<Bytes> {
    let blob = BlobRef {
        key,
        size_bytes: size,
        sha256: String::new(),
    };
    blobs.get(&blob).await
}

fn each_file(tree: &mut Json, key: &str, visit: &mut dyn FnMut(&mut Map<String, Json>)) {
    match tree {
        Json::Object(object) if object.contains_key(key) => visit(object),
        Json::Object(object) => object
            .values_mut()
            .for_each(|child| each_file(child, key, visit)),
        Json::Array(list) => list
            .iter_mut()
            .for_each(|child| each_file(child, key, visit)),
        _ => {}
    }
}

fn parse(json: &[u8]) -> Result<Json> {
    serde_json::from_slice(json)
        .map_err(|error| Error::invalid("a value is not JSON").because(error))
}

fn text_of(json: &Bytes) -> Result<String> {
    std::str::from_utf8(json)
        .map(str::to_owned)
        .map_err(|error| Error::invalid("a value is not UTF-8").because(error))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
