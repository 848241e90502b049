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
        Stored::Removed => return Ok(Value::null()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A small tensor, a large one, one that JSON has no words for, and a file.
    fn mixed() -> Value {
        Value {
            json: Bytes::from_static(
                br#"{"small":{"$attachment":0,"dtype":"int16","shape":[2]},"large":{"$attachment":1,"dtype":"uint8","shape":[9000]},"odd":{"$attachment":2,"dtype":"float32","shape":[]},"file":{"$attachment":3,"name":"a.txt"}}"#,
            ),
            attachments: vec![
                Bytes::from_static(&[1, 0, 2, 0]),
                Bytes::from(vec![7; 9000]),
                Bytes::copy_from_slice(&f32::NAN.to_le_bytes()),
                Bytes::from_static(b"hi"),
            ],
        }
    }

    async fn blobs() -> Arc<dyn Blobs> {
        onstage_backends::blobs::open("memory:").await.unwrap()
    }

    fn tree(stored: &Stored) -> Json {
        let Stored::Inline(text) = stored else {
            panic!("{stored:?}")
        };
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn small_tensors_are_lists_and_large_ones_come_back_as_they_were() {
        let blobs = blobs().await;
        let stored = store_value(&*blobs, "p", &mixed()).await.unwrap();
        let kept = tree(&stored);
        assert_eq!(
            kept["small"],
            json!({"dtype": "int16", "shape": [2], "data": [1, 2]})
        );
        assert_eq!(
            kept["large"],
            json!({"$blob": "p/file-1", "size": 9000, "dtype": "uint8", "shape": [9000]})
        );
        assert_eq!(kept["odd"]["$blob"], "p/file-2");
        let loaded = load_value(&*blobs, &stored).await.unwrap();
        let json: Json = serde_json::from_slice(&loaded.json).unwrap();
        assert_eq!(
            json["large"],
            json!({"$attachment": 0, "dtype": "uint8", "shape": [9000]})
        );
        assert_eq!(loaded.attachments[..2], mixed().attachments[1..3]);
        assert_eq!(spelled_out(&mixed()).unwrap()["small"], kept["small"]);
    }

    #[tokio::test]
    async fn a_brief_record_describes_large_tensors() {
        let blobs = blobs().await;
        let kept = tree(&store_brief(&*blobs, "p", &mixed()).await.unwrap());
        let described = json!({"dtype": "uint8", "shape": [9000], "data": null});
        assert_eq!(kept["large"], described);
        assert_eq!(kept["small"]["data"], json!([1, 2]));
        assert_eq!(kept["file"]["$blob"], "p/file-3");
        let key = "p/file-1".to_owned();
        assert!(read_blob(&*blobs, key, 9000).await.is_err());
    }

    #[tokio::test]
    async fn an_attachment_that_is_not_there_is_named() {
        let value = Value {
            json: Bytes::from_static(br#"[{"$attachment":1}]"#),
            attachments: vec![Bytes::from_static(b"x")],
        };
        let error = store_value(&*blobs().await, "p", &value).await.unwrap_err();
        assert!(error.to_string().contains("attachment `1`"), "{error}");
    }
}
