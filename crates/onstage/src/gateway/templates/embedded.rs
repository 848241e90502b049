//! The templates inside of the binary: ordinary model files, and the schema of their config beside them.
//! Does not check configs.

use rust_embed::RustEmbed;
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

/// A development build embeds the folder as it lies there, caches included.
const ENDINGS: [&str; 3] = [".py", ".toml", ".json"];
/// Not part of the model's folder. What has none is no template.
const SCHEMA: &str = "config.schema.json";

#[derive(RustEmbed)]
#[folder = "../../templates"]
struct Files;

#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: String,
    /// A JSON Schema, whose title and description are the template's.
    pub(crate) schema: Value,
    /// By path in the model's folder.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

static ALL: LazyLock<Vec<Template>> = LazyLock::new(read);

/// By name.
pub(crate) fn all() -> &'static [Template] {
    &ALL
}

fn read() -> Vec<Template> {
    let mut folders: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for path in Files::iter() {
        let Some((name, file)) = path.split_once('/') else {
            continue;
        };
        let wanted = !file.contains('/') && ENDINGS.iter().any(|ending| file.ends_with(ending));
        if let Some(found) = Files::get(&path).filter(|_| wanted) {
            let files = folders.entry(name.to_owned()).or_default();
            files.insert(file.to_owned(), found.data.into_owned());
        }
    }
    folders
        .into_iter()
        .filter_map(|(name, mut files)| {
            let schema = serde_json::from_slice(&files.remove(SCHEMA)?).ok()?;
            Some(Template {
                name,
                schema,
                files,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_model_with_a_schema_and_nothing_else() {
        let names: Vec<&str> = all()
            .iter()
            .map(|template| template.name.as_str())
            .collect();
        assert_eq!(names, ["tabular-torch"]);
        for template in all() {
            assert!(template.schema["title"].is_string(), "{}", template.name);
            let files: Vec<&str> = template.files.keys().map(String::as_str).collect();
            assert_eq!(
                files,
                [
                    "columns.py",
                    "learn.py",
                    "model.py",
                    "network.py",
                    "onstage.toml"
                ]
            );
        }
    }
}
