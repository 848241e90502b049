//! Which column is which input: by name, forgiving case, spaces and underscores.
//! Pure.

use onstage_core::schema::ModelSchema;
use std::collections::BTreeMap;

/// A suggestion for every input.
#[derive(Debug, PartialEq)]
pub(crate) struct Suggestion {
    pub(crate) map: BTreeMap<String, Option<String>>,
    /// Inputs that must be given and have no column.
    pub(crate) missing: Vec<String>,
}

pub(crate) fn suggest(schema: &ModelSchema, columns: &[String]) -> Suggestion {
    let required: Vec<&str> = schema
        .input()
        .and_then(|input| input.get("required")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    let mut map = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, field) in schema.fields() {
        let title = field.get("title").and_then(serde_json::Value::as_str);
        let column = find(columns, name).or_else(|| find(columns, title?));
        if column.is_none() && required.contains(&name) {
            missing.push(name.to_owned());
        }
        map.insert(name.to_owned(), column.cloned());
    }
    Suggestion { map, missing }
}

fn find<'a>(columns: &'a [String], name: &str) -> Option<&'a String> {
    let exact = columns.iter().find(|column| *column == name);
    exact.or_else(|| columns.iter().find(|column| plain(column) == plain(name)))
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_found_by_what_they_mean_to_say() {
        let schema: ModelSchema =
            serde_json::from_value(json!({"components": {"schemas": {"Input": {
                "properties": {
                    "past_activity": {"x-order": 0},
                    "sex": {"title": "Gender", "x-order": 1},
                    "age": {"x-order": 2},
                    "note": {"x-order": 3},
                },
                "required": ["past_activity", "age"],
            }}}}))
            .unwrap();
        let columns = ["Past Activity", "GENDER", "weight"].map(str::to_owned);
        let suggestion = suggest(&schema, &columns);
        assert_eq!(
            suggestion.map["past_activity"].as_deref(),
            Some("Past Activity")
        );
        assert_eq!(suggestion.map["sex"].as_deref(), Some("GENDER"));
        assert_eq!(suggestion.map["note"], None);
        assert_eq!(suggestion.missing, ["age"]);
    }
}
