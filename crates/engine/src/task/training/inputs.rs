//! The input of a training at rest, and what of it stands for files.
//! Does not fetch them: they may be larger than memory, so they are never read here.

use crate::datasets::each_object;
use onstage_core::{
    Error, Result,
    ports::Blobs,
    value::{BlobRef, Stored},
};
use serde_json::Value as Json;
use std::path::Path;

/// The name of a file that has none.
const NAMELESS: &str = "file";

/// A file that an input names.
#[derive(Debug, PartialEq)]
pub(super) struct NamedFile {
    pub(super) pointer: String,
    pub(super) blob: BlobRef,
    /// The last part of a path, and nothing else.
    pub(super) name: String,
}

pub(super) async fn load(blobs: &dyn Blobs, stored: &Stored) -> Result<Json> {
    let read = match stored {
        Stored::Removed => return Ok(Json::Null),
        Stored::Inline(text) => serde_json::from_str(text),
        Stored::Blob(blob) => serde_json::from_slice(&blobs.get(blob).await?),
    };
    read.map_err(|error| Error::invalid("an input is not JSON").because(error))
}

/// The `$blob` objects in the tree.
pub(super) fn files(tree: &Json) -> Vec<NamedFile> {
    let mut found = Vec::new();
    each_object(tree, "", &mut |pointer, object| {
        if let Some(key) = object.get("$blob").and_then(Json::as_str) {
            let text = |name: &str| object.get(name).and_then(Json::as_str).unwrap_or_default();
            let size = object.get("size").and_then(Json::as_u64);
            found.push(NamedFile {
                pointer: pointer.to_owned(),
                blob: BlobRef {
                    key: key.to_owned(),
                    size_bytes: size.unwrap_or_default(),
                    sha256: text("sha256").to_owned(),
                },
                name: plain(text("name")),
            });
        }
    });
    found
}

/// What stood for a blob stands for a path.
pub(super) fn point(tree: &mut Json, pointer: &str, path: &Path) {
    if let Some(Json::Object(file)) = tree.pointer_mut(pointer) {
        file.remove("$blob");
        file.remove("size");
        file.remove("sha256");
        file.insert("$path".to_owned(), path.to_string_lossy().into());
    }
}

fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    match last {
        "" | "." | ".." => NAMELESS.to_owned(),
        last => last.replace('\0', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets;
    use serde_json::json;

    #[test]
    fn files_and_datasets_are_found_wherever_they_are() {
        let mut tree = json!({
            "data": {"$dataset": "labels@v3"},
            "a/b": [{"$blob": "files/1", "name": "../x.csv", "size": 3}],
            "epochs": 5,
        });
        assert_eq!(
            datasets::find(&tree),
            [("/data".to_owned(), "labels@v3".to_owned())]
        );
        let found = files(&tree);
        assert_eq!((found.len(), found[0].name.as_str()), (1, "x.csv"));
        point(&mut tree, &found[0].pointer, Path::new("/t/0/x.csv"));
        datasets::replace(&mut tree, "/data", json!({"$path": "/d"}));
        assert_eq!(
            tree,
            json!({"data": {"$path": "/d"}, "a/b": [{"name": "../x.csv", "$path": "/t/0/x.csv"}], "epochs": 5})
        );
    }
}
