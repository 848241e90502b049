//! The examples beside a model as its readiness check: what to send, and whether the answer is the expected one.
//! Pure but for looking whether a named file is there.

use onstage_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::path::{Component, Path, PathBuf};

/// How far a number may be from the expected one when the example names no tolerance, relative to it.
const TOLERANCE: f64 = 1e-6;
/// Characters of a value shown in a message.
const SHOWN_CHARS_MAX: usize = 200;
/// Where the files that examples name lie, in the model's folder.
const FOLDER: &str = "examples";

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Example {
    #[serde(default)]
    pub name: String,
    pub input: Json,
    /// `null` may be expected, so absence is kept apart from it.
    #[serde(default, deserialize_with = "present")]
    pub output: Option<Json>,
    #[serde(default)]
    pub tolerance: Option<f64>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// The examples of a version.
pub(crate) fn read(text: &str) -> Result<Vec<Example>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text)
        .map_err(|error| Error::invalid("the examples cannot be read").because(error))
}

/// The input as a worker takes it: `"@photo.jpg"` becomes the file of that name beside the example, `"@@x"` the text `"@x"`.
pub(crate) fn input(example: &Example, folder: &Path) -> Json {
    let mut input = example.input.clone();
    if let Json::Object(fields) = &mut input {
        fields
            .values_mut()
            .for_each(|field| with_files(field, folder));
    }
    input
}

fn with_files(value: &mut Json, folder: &Path) {
    match value {
        Json::String(text) => {
            if text.starts_with("@@") {
                text.remove(0);
            } else if let Some(path) = text.strip_prefix('@').and_then(|name| file(name, folder)) {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                *value = json!({"$path": path, "name": name});
            }
        }
        Json::Array(list) => list.iter_mut().for_each(|it| with_files(it, folder)),
        Json::Object(fields) => fields.values_mut().for_each(|it| with_files(it, folder)),
        _ => {}
    }
}

/// A file below the examples' folder, and nowhere else.
fn file(name: &str, folder: &Path) -> Option<PathBuf> {
    let inside = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let path = folder.join(FOLDER).join(name);
    (inside && path.is_file()).then_some(path)
}

/// What is wrong with the answer, in words; nothing when it is the expected one.
pub(crate) fn difference(example: &Example, got: &Json) -> Option<String> {
    let expected = example.output.as_ref()?;
    let (pointer, expected, got) = differs(expected, got, example.tolerance, "")?;
    let place = if pointer.is_empty() {
        String::new()
    } else {
        format!(" at `{pointer}`")
    };
    Some(format!(
        "example `{}`{place}: expected {}, got {}",
        example.name,
        shown(&expected),
        shown(&got)
    ))
}

fn differs(
    expected: &Json,
    got: &Json,
    tolerance: Option<f64>,
    pointer: &str,
) -> Option<(String, Json, Json)> {
    let different = || Some((pointer.to_owned(), expected.clone(), got.clone()));
    match (expected, got) {
        // A file that is expected is only expected to be there.
        (Json::String(text), Json::Object(file))
            if text.starts_with('@') && file.contains_key("$attachment") =>
        {
            None
        }
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            let allowed = tolerance.unwrap_or(TOLERANCE * a.abs().max(1.0));
            if (a - b).abs() <= allowed {
                None
            } else {
                different()
            }
        }
        // A tensor may be written as its nested list.
        (Json::Array(_), Json::Object(tensor))
            if tensor.contains_key("dtype") && tensor.contains_key("data") =>
        {
            let mut flat = Vec::new();
            flatten(expected, &mut flat);
            differs(&Json::from(flat), &tensor["data"], tolerance, pointer)
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(place, (a, b))| differs(a, b, tolerance, &format!("{pointer}/{place}"))),
        (Json::Object(a), Json::Object(b)) if a.len() == b.len() => {
            a.iter().find_map(|(key, a)| {
                let pointer = format!("{pointer}/{key}");
                match b.get(key) {
                    Some(b) => differs(a, b, tolerance, &pointer),
                    None => Some((pointer, a.clone(), Json::Null)),
                }
            })
        }
        (a, b) if a == b => None,
        _ => different(),
    }
}

fn flatten(list: &Json, flat: &mut Vec<Json>) {
    match list {
        Json::Array(items) => items.iter().for_each(|item| flatten(item, flat)),
        number => flat.push(number.clone()),
    }
}

fn shown(value: &Json) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(output: Json, tolerance: Option<f64>) -> Example {
        Example {
            name: "one".into(),
            input: json!({}),
            output: Some(output),
            tolerance,
        }
    }

    #[test]
    fn answers_are_compared_with_tolerance_at_any_depth() {
        let expected = example(json!({"a": [1.0, 2.0], "b": "x"}), Some(0.1));
        assert_eq!(
            difference(&expected, &json!({"a": [1.05, 2], "b": "x"})),
            None
        );
        assert_eq!(
            difference(&expected, &json!({"a": [1.05, 2.2], "b": "x"})),
            Some("example `one` at `/a/1`: expected 2.0, got 2.2".into())
        );
        assert!(
            difference(&expected, &json!({"a": [1, 2], "c": "x"}))
                .unwrap()
                .contains("`/b`")
        );
        assert!(difference(&expected, &json!([1])).is_some());
        assert!(difference(&expected, &json!({"a": [1, 2, 3], "b": "x"})).is_some());
    }

    #[test]
    fn a_tensor_is_expected_as_its_list() {
        let expected = example(json!([[1.0, 2.0], [3.0, 4.0]]), Some(0.1));
        let got = |data: Json| json!({"dtype": "float32", "shape": [2, 2], "data": data});
        assert_eq!(difference(&expected, &got(json!([1, 2.05, 3, 4]))), None);
        let wrong = difference(&expected, &got(json!([1, 2, 3.5, 4])));
        assert!(wrong.unwrap().contains("`/2`: expected 3.0, got 3.5"));
        assert!(difference(&expected, &got(json!([1, 2]))).is_some());
    }

    #[test]
    fn without_tolerance_rounding_does_not_count() {
        let expected = example(json!(0.3), None);
        assert_eq!(difference(&expected, &json!(0.1 + 0.2)), None);
        assert!(difference(&expected, &json!(0.300_01)).is_some());
        assert!(difference(&example(json!(1), None), &json!("1")).is_some());
        let any = Example {
            output: None,
            ..expected
        };
        assert_eq!(difference(&any, &json!("whatever")), None);
    }

    #[test]
    fn only_files_beside_the_examples_are_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("examples")).unwrap();
        std::fs::write(folder.path().join("examples/p.jpg"), b"x").unwrap();
        std::fs::write(folder.path().join("secret"), b"x").unwrap();
        let files = Example {
            input: json!({"photo": "@p.jpg", "other": "@../secret", "text": "@nobody", "list": ["@p.jpg"], "at": "@@p.jpg"}),
            ..example(json!(1), None)
        };
        let input = input(&files, folder.path());
        assert!(
            input["photo"]["$path"]
                .as_str()
                .unwrap()
                .ends_with("examples/p.jpg")
        );
        assert_eq!(input["other"], "@../secret");
        assert_eq!(input["text"], "@nobody");
        assert_eq!(input["at"], "@p.jpg");
        assert_eq!(input["list"][0]["name"], "p.jpg");
    }

    #[test]
    fn examples_read_as_they_are_stored() {
        assert_eq!(read("").unwrap(), []);
        assert_eq!(
            read(r#"[{"name":"a","input":{"x":1}}]"#).unwrap()[0].output,
            None
        );
        assert_eq!(
            read(r#"[{"input":{},"output":null}]"#).unwrap()[0].output,
            Some(Json::Null)
        );
        assert!(read("{").is_err());
    }
}
