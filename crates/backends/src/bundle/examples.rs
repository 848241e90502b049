//! Reads `examples/*.json` beside a model: inputs, and what to expect of them.
//! Does not run them and does not read the files they name.

use crate::archive::path;
use onstage_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fs, path::Path};

/// Examples of a model.
pub const EXAMPLES_MAX: usize = 100;
/// One example's JSON.
pub const EXAMPLE_BYTES_MAX: u64 = 1 << 20;

/// An example. A string in `input` that starts with `@` names a file beside it; `@@` stands for a plain `@`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// The file's name without `.json`.
    pub name: String,
    pub input: Value,
    /// `null` may be expected, so absence is kept apart from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How far numbers may be off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    input: Value,
    #[serde(default, deserialize_with = "present")]
    output: Option<Value>,
    #[serde(default)]
    tolerance: Option<f64>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The examples of a model folder by name; none when it has no `examples` folder. Errors: invalid.
pub fn read_examples(folder: &Path) -> Result<Vec<Example>> {
    let beside = folder.join("examples");
    let Ok(entries) = fs::read_dir(&beside) else {
        return Ok(Vec::new());
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".json") && !name.starts_with('.'))
        .collect();
    names.sort();
    if names.len() > EXAMPLES_MAX {
        return Err(Error::invalid(format!(
            "`examples` has {} examples, at most {EXAMPLES_MAX}",
            names.len()
        )));
    }
    names.iter().map(|name| read(&beside, name)).collect()
}

fn read(beside: &Path, file_name: &str) -> Result<Example> {
    let wrong = |why: String| Error::invalid(format!("`examples/{file_name}`: {why}"));
    let on_disk = beside.join(file_name);
    let size = fs::metadata(&on_disk)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > EXAMPLE_BYTES_MAX {
        return Err(
            wrong(format!("it is larger than {} KiB", EXAMPLE_BYTES_MAX >> 10))
                .hint("put large values in a file beside it and name it with `@`"),
        );
    }
    let text = fs::read_to_string(&on_disk).map_err(|error| wrong(error.to_string()))?;
    let written: Written = serde_json::from_str(&text).map_err(|error| {
        wrong(error.to_string())
            .hint("an example is `{\"input\": {…}, \"output\": …, \"tolerance\": …}`; `output` and `tolerance` may be absent")
    })?;
    if !written.input.is_object() {
        return Err(wrong("`input` is not an object".to_owned()));
    }
    if written.tolerance.is_some_and(|t| !t.is_finite() || t < 0.0) {
        return Err(wrong("`tolerance` is not a number from 0 up".to_owned()));
    }
    check_files(beside, &written.input).map_err(|why| {
        wrong(why).hint("files lie beside the example; write `@@` for text that starts with `@`")
    })?;
    Ok(Example {
        name: file_name.trim_end_matches(".json").to_owned(),
        input: written.input,
        output: written.output,
        tolerance: written.tolerance,
    })
}

fn check_files(beside: &Path, value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => match text.strip_prefix('@') {
            Some(name) if !name.starts_with('@') => {
                let clean = path::clean(name.as_bytes())?;
                if clean.is_empty() || !beside.join(&clean).is_file() {
                    return Err(format!("there is no file `{name}`"));
                }
                Ok(())
            }
            _ => Ok(()),
        },
        Value::Array(items) => items.iter().try_for_each(|item| check_files(beside, item)),
        Value::Object(fields) => fields
            .values()
            .try_for_each(|item| check_files(beside, item)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("examples")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join("examples").join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn examples_are_read_in_order_with_their_files() {
        let folder = folder(&[
            ("b.json", r#"{"input": {"photo": "@p.jpg", "who": "@@me"}}"#),
            (
                "a.json",
                r#"{"input": {}, "output": null, "tolerance": 0.5}"#,
            ),
            ("p.jpg", "jpg"),
        ]);
        let examples = read_examples(folder.path()).unwrap();
        assert_eq!(examples[0].name, "a");
        assert_eq!(examples[0].output, Some(Value::Null));
        assert_eq!(examples[1].output, None);
        assert_eq!(
            serde_json::to_value(&examples[1]).unwrap(),
            json!({"name": "b", "input": {"photo": "@p.jpg", "who": "@@me"}})
        );
        assert_eq!(read_examples(Path::new("/nowhere")).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_told_with_the_file() {
        for (text, expected) in [
            (
                r#"{"input": {"photo": "@missing.jpg"}}"#,
                "no file `missing.jpg`",
            ),
            (
                r#"{"input": {"photo": ["@../../etc/passwd"]}}"#,
                "leaves its folder",
            ),
            (r#"{"inputs": {}}"#, "unknown field `inputs`"),
            (r#"{"input": 3}"#, "not an object"),
            (r#"{"input": {}, "tolerance": -1}"#, "tolerance"),
            ("{", "EOF"),
        ] {
            let folder = folder(&[("x.json", text)]);
            let error = read_examples(folder.path()).unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with("`examples/x.json`: "), "{message}");
            assert!(message.contains(expected), "{message}");
        }
    }
}
