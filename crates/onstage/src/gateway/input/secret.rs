//! Which inputs are never shown again or written to a record, and their replacement.
//! Does not know where records lie.

use bytes::Bytes;
use onstage_core::{config::ModelConfig, schema::ModelSchema};
use serde_json::Value;

const HIDDEN: &str = "[hidden]";

/// Names of inputs that are secrets by their type or by the author's config.
pub(crate) fn hidden_fields(schema: Option<&ModelSchema>, config: &ModelConfig) -> Vec<String> {
    let by_type = schema.map(ModelSchema::fields).unwrap_or_default();
    by_type
        .into_iter()
        .filter(|(_, field)| is_secret(field))
        .map(|(name, _)| name.to_owned())
        .chain(config.keep.redact.iter().cloned())
        .collect()
}

fn is_secret(field: &Value) -> bool {
    let is = |key: &str, value: &str| field.get(key).and_then(Value::as_str) == Some(value);
    is("x-onstage-type", "secret") || is("format", "password")
}

/// The input with these fields replaced.
pub(crate) fn hide(json: Bytes, fields: &[String]) -> Bytes {
    if fields.is_empty() {
        return json;
    }
    let Ok(Value::Object(mut object)) = serde_json::from_slice(&json) else {
        return json;
    };
    for field in fields {
        if let Some(value) = object.get_mut(field) {
            *value = Value::from(HIDDEN);
        }
    }
    Bytes::from(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_do_not_leave() {
        let json = Bytes::from_static(br#"{"key":"hunter2","n":1}"#);
        let shown = hide(json.clone(), &["key".to_owned(), "absent".to_owned()]);
        assert_eq!(&shown[..], br#"{"key":"[hidden]","n":1}"#);
        assert_eq!(hide(json.clone(), &[]), json);
    }
}
