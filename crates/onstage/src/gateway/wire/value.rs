//! Inputs and outputs as they leave: files inside them become data URLs or links, tensors their lists or links.
//! Does not know predictions or jobs.

use crate::gateway::wire::page::escape;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use onstage_core::{
    Result,
    ports::Blobs,
    tensor::Described,
    value::{BlobRef, Stored, Value},
};
use serde_json::{Map, Value as Json, value::RawValue};

/// Larger files and tensors of outputs become links, where nothing else is said.
const INLINE_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Which part of a prediction a file lies in: its links say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Input,
    Output,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Input, Self::Output]
            .into_iter()
            .find(|part| part.name() == name)
    }
}

/// Where the files of a value are linked to: `/v1/files/{id}/content?of=output&n=0`.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    /// `/v1/files/{id}/content`, behind the prefix.
    base: String,
    part: Part,
    /// Larger files and tensors become links.
    inline_bytes_max: u64,
}

impl Links {
    pub(crate) fn new(base: String, part: Part) -> Self {
        Self {
            base,
            part,
            inline_bytes_max: INLINE_FILE_BYTES_MAX,
        }
    }

    /// Nothing of any size is put in place of its link.
    pub(crate) fn only(self) -> Self {
        Self {
            inline_bytes_max: 0,
            ..self
        }
    }

    fn link(&self, number: usize, name: Option<&str>) -> String {
        let name = name
            .map(|name| format!("&name={}", escape(name)))
            .unwrap_or_default();
        format!("{}?of={}&n={number}{name}", self.base, self.part.name())
    }
}

/// The JSON text of a value at rest; large ones are read from their blob.
pub(crate) async fn text(blobs: &dyn Blobs, stored: &Stored) -> Result<Bytes> {
    match stored {
        Stored::Inline(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Stored::Blob(blob) => blobs.get(blob).await,
        Stored::Removed => Ok(Bytes::from_static(b"null")),
    }
}

/// A value at rest as it is shown: small files of it as data URLs, large ones as links.
pub(crate) async fn show_stored(
    blobs: &dyn Blobs,
    stored: &Stored,
    links: &Links,
) -> Result<Bytes> {
    let json = text(blobs, stored).await?;
    show_text(blobs, json, links).await
}

/// JSON text at rest as it is shown.
pub(crate) async fn show_text(blobs: &dyn Blobs, json: Bytes, links: &Links) -> Result<Bytes> {
    let names_datasets = links.part == Part::Input && mentions(&json, b"\"$dataset\"");
    if !names_datasets && !mentions(&json, b"\"$blob\"") {
        return Ok(json);
    }
    let Ok(mut tree) = serde_json::from_slice::<Json>(&json) else {
        return Ok(json);
    };
    if names_datasets {
        each_file(&mut tree, "$dataset", &mut |it| it["$dataset"].clone());
    }
    let mut small = Vec::new();
    let mut number = 0;
    each_file(&mut tree, "$blob", &mut |file| {
        let size = file.get("size").and_then(Json::as_u64).unwrap_or(u64::MAX);
        let link = links.link(number, file.get("name").and_then(Json::as_str));
        let tensor = Described::of(file);
        let shown = linked(tensor.as_ref(), link.clone());
        if links.part == Part::Output && size <= links.inline_bytes_max {
            small.push((shown.clone(), tensor, file_of(file)));
        }
        number += 1;
        shown
    });
    // The links stand in for the small files until these have been read.
    for (link, tensor, file) in small {
        let bytes = blobs.get(&file.blob).await?;
        let whole = match tensor {
            Some(tensor) => listed(&tensor, &bytes),
            None => Some(Json::String(data_url(&file.media_type, &bytes))),
        };
        if let Some(whole) = whole {
            put_in_place(&mut tree, &link, &whole);
        }
    }
    Ok(Bytes::from(tree.to_string()))
}

/// What stands for bytes that are elsewhere.
fn linked(tensor: Option<&Described>, link: String) -> Json {
    let link = Json::String(link);
    match tensor {
        Some(tensor) => tensor.with_data(&link),
        None => link,
    }
}

/// A tensor with its numbers; none where JSON has no word for one of them.
fn listed(tensor: &Described, bytes: &[u8]) -> Option<Json> {
    serde_json::from_str(&tensor.in_json(bytes)?).ok()
}

/// A value with its attachments at hand.
pub(crate) fn show_value(value: &Value, links: &Links) -> Bytes {
    if value.attachments.is_empty() {
        return value.json.clone();
    }
    let Ok(mut tree) = serde_json::from_slice::<Json>(&value.json) else {
        return value.json.clone();
    };
    let mut place = 0;
    each_file(&mut tree, "$attachment", &mut |file| {
        let number = file.get("$attachment").and_then(Json::as_u64).unwrap_or(0) as usize;
        let name = file.get("name").and_then(Json::as_str);
        let tensor = Described::of(file);
        let link = || linked(tensor.as_ref(), links.link(place, name));
        let shown = match value.attachments.get(number) {
            Some(bytes) if bytes.len() as u64 <= INLINE_FILE_BYTES_MAX => match &tensor {
                Some(tensor) => listed(tensor, bytes).unwrap_or_else(link),
                None => Json::String(data_url(&media_type(file), bytes)),
            },
            Some(_) => link(),
            None => Json::Null,
        };
        place += 1;
        shown
    });
    Bytes::from(tree.to_string())
}

/// A file inside a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileIn {
    pub(crate) blob: BlobRef,
    pub(crate) name: Option<String>,
    pub(crate) media_type: String,
}

/// The `number`th file of a value at rest.
pub(crate) fn nth_file(json: &[u8], number: usize) -> Option<FileIn> {
    let mut tree = serde_json::from_slice::<Json>(json).ok()?;
    let mut found = None;
    let mut place = 0;
    each_file(&mut tree, "$blob", &mut |file| {
        if place == number {
            found = Some(file_of(file));
        }
        place += 1;
        Json::Null
    });
    found
}

/// The `number`th file of a value with its attachments at hand: its name, type and bytes.
pub(crate) fn nth_attachment(
    value: &Value,
    number: usize,
) -> Option<(Option<String>, String, Bytes)> {
    let mut tree = serde_json::from_slice::<Json>(&value.json).ok()?;
    let mut found = None;
    let mut place = 0;
    each_file(&mut tree, "$attachment", &mut |file| {
        if place == number {
            let index = file
                .get("$attachment")
                .and_then(Json::as_u64)
                .unwrap_or(u64::MAX);
            let bytes = value.attachments.get(index as usize).cloned();
            let name = file.get("name").and_then(Json::as_str).map(str::to_owned);
            found = bytes.map(|bytes| (name, media_type(file), bytes));
        }
        place += 1;
        Json::Null
    });
    found
}

/// The blobs that a value at rest names; of one that lies in a blob itself, only that.
pub(crate) fn blob_keys(stored: &Stored) -> Vec<String> {
    let mut keys = Vec::new();
    match stored {
        Stored::Blob(blob) => keys.push(blob.key.clone()),
        Stored::Inline(text) if mentions(text.as_bytes(), b"\"$blob\"") => {
            let mut tree = serde_json::from_str::<Json>(text).unwrap_or_default();
            each_file(&mut tree, "$blob", &mut |file| {
                keys.push(file_of(file).blob.key);
                Json::Null
            });
        }
        Stored::Inline(_) | Stored::Removed => {}
    }
    keys
}

fn file_of(file: &Map<String, Json>) -> FileIn {
    let text = |key: &str| file.get(key).and_then(Json::as_str);
    FileIn {
        blob: BlobRef {
            key: text("$blob").unwrap_or_default().to_owned(),
            size_bytes: file.get("size").and_then(Json::as_u64).unwrap_or(0),
            sha256: String::new(),
        },
        name: text("name").map(str::to_owned),
        media_type: media_type(file),
    }
}

fn media_type(file: &Map<String, Json>) -> String {
    file.get("media_type")
        .and_then(Json::as_str)
        .unwrap_or("application/octet-stream")
        .to_owned()
}

pub(crate) fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

/// Calls `replace` for every object with the key, in the order of the text, and puts its answer there.
fn each_file(tree: &mut Json, key: &str, replace: &mut dyn FnMut(&Map<String, Json>) -> Json) {
    match tree {
        Json::Object(object) if object.contains_key(key) => *tree = replace(object),
        Json::Object(object) => object
            .values_mut()
            .for_each(|child| each_file(child, key, replace)),
        Json::Array(list) => list
            .iter_mut()
            .for_each(|child| each_file(child, key, replace)),
        _ => {}
    }
}

fn put_in_place(tree: &mut Json, old: &Json, new: &Json) {
    match tree {
        here if here == old => here.clone_from(new),
        Json::Object(object) => object
            .values_mut()
            .for_each(|child| put_in_place(child, old, new)),
        Json::Array(list) => list
            .iter_mut()
            .for_each(|child| put_in_place(child, old, new)),
        _ => {}
    }
}

pub(crate) fn mentions(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// JSON text to put into an answer as it stands; `null` when it is not JSON.
pub(crate) fn raw(json: &[u8]) -> &RawValue {
    serde_json::from_slice(json).unwrap_or(RawValue::NULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        Links::new("/v1/files/p1/content".to_owned(), Part::Output)
    }

    #[test]
    fn small_attachments_are_inline_and_large_ones_links() {
        let value = Value {
            json: Bytes::from_static(
                br#"[{"$attachment":1,"media_type":"image/png"},{"$attachment":0,"name":"a b.bin"},3]"#,
            ),
            attachments: vec![
                Bytes::from(vec![0; INLINE_FILE_BYTES_MAX as usize + 1]),
                Bytes::from_static(b"hi"),
            ],
        };
        let shown: Json = serde_json::from_slice(&show_value(&value, &links())).unwrap();
        assert_eq!(shown[0], "data:image/png;base64,aGk=");
        assert_eq!(
            shown[1],
            "/v1/files/p1/content?of=output&n=1&name=a%20b.bin"
        );
        assert_eq!(shown[2], 3);
        let (name, _, bytes) = nth_attachment(&value, 1).unwrap();
        assert_eq!((name.as_deref(), bytes.len()), (Some("a b.bin"), 262_145));
        assert!(nth_attachment(&value, 2).is_none());
    }

    #[test]
    fn small_tensors_are_lists_and_what_json_cannot_say_is_a_link() {
        let bytes =
            |numbers: &[f32]| -> Bytes { numbers.iter().flat_map(|n| n.to_le_bytes()).collect() };
        let value = Value {
            json: Bytes::from_static(
                br#"[{"$attachment":0,"dtype":"float32","shape":[2]},{"$attachment":1,"dtype":"float32","shape":[1]}]"#,
            ),
            attachments: vec![bytes(&[0.1, -2.0]), bytes(&[f32::NAN])],
        };
        let shown: Json = serde_json::from_slice(&show_value(&value, &links())).unwrap();
        assert_eq!(
            shown[0],
            serde_json::json!({"dtype": "float32", "shape": [2], "data": [0.1, -2.0]})
        );
        assert_eq!(shown[1]["data"], "/v1/files/p1/content?of=output&n=1");
    }

    #[test]
    fn files_at_rest_are_numbered_in_the_order_of_the_text() {
        let json = br#"{"a":{"$blob":"k/0","size":3},"b":[{"$blob":"k/1","size":9,"name":"x"}]}"#;
        assert_eq!(nth_file(json, 0).unwrap().blob.key, "k/0");
        let second = nth_file(json, 1).unwrap();
        assert_eq!(
            (second.blob.key.as_str(), second.blob.size_bytes),
            ("k/1", 9)
        );
        assert!(nth_file(json, 2).is_none());
    }

    #[test]
    fn what_is_not_json_is_null() {
        assert_eq!(raw(b"NaN").get(), "null");
        assert_eq!(raw(b"\xff").get(), "null");
        assert_eq!(raw(b"{\"a\":1}").get(), "{\"a\":1}");
    }
}
