//! Inputs as they are typed, `key=value`, `key:=json`, `key=@file`, made into what the model's schema wants.
//! Reads no files; a file's name stays in its place until the caller puts the file there.

use super::near::nearest;
use onstage_core::{Error, Result};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// An input that is typed in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Typed {
    Value(Value),
    /// The file itself is the input.
    File(PathBuf),
    /// A list of files with this one in it.
    FileInList(PathBuf),
    /// The file's text is the input.
    TextOf(PathBuf),
    /// The file's text is the input, in JSON.
    JsonOf(PathBuf),
}

/// The inputs in the order they were typed.
pub(super) fn inputs(
    words: &[String],
    schemas: &Map<String, Value>,
) -> Result<Vec<(String, Typed)>> {
    let mut inputs: Vec<(String, Typed)> = Vec::new();
    for word in words {
        let (key, typed) = input(word, schemas)?;
        let again = inputs.iter().any(|(known, _)| *known == key);
        // Only a list of files is written with its name again and again.
        if again && !matches!(typed, Typed::FileInList(_)) {
            return Err(Error::invalid(format!("input `{key}` is given twice"))
                .hint("leave one of them out"));
        }
        inputs.push((key, typed));
    }
    Ok(inputs)
}

fn input(word: &str, schemas: &Map<String, Value>) -> Result<(String, Typed)> {
    let (key, text) = word
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| no_input(word, schemas))?;
    let (key, raw) = key
        .strip_suffix(':')
        .map_or((key, false), |key| (key, true));
    let field = field(key, schemas)?;
    let value = match text.strip_prefix('@') {
        Some(path) if !raw && !path.is_empty() => file(path, field, schemas),
        _ if raw => Typed::Value(json(key, text)?),
        _ => Typed::Value(typed(key, text, field, schemas)?),
    };
    Ok((key.to_owned(), value))
}

fn no_input(word: &str, schemas: &Map<String, Value>) -> Error {
    let known = field(word, schemas).is_ok_and(|field| !field.is_null());
    if known {
        return Error::invalid(format!("input `{word}` has no value"))
            .hint(format!("write it like `{word}=…`"));
    }
    Error::invalid(format!("`{word}` is not an input"))
        .hint("write inputs like `draws=3`, `photo=@x.jpg` or `points:=[1,2]`")
}

fn field<'a>(key: &str, schemas: &'a Map<String, Value>) -> Result<&'a Value> {
    let properties = schemas
        .get("Input")
        .and_then(|input| input.get("properties"))
        .and_then(Value::as_object);
    let Some(properties) = properties else {
        return Ok(&Value::Null);
    };
    properties.get(key).ok_or_else(|| {
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let error = Error::invalid(format!("the model has no input `{key}`"));
        match nearest(key, names.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if names.is_empty() => error.hint("it takes no inputs"),
            None => error.hint(format!("its inputs are {}", names.join(", "))),
        }
    })
}

fn json(key: &str, text: &str) -> Result<Value> {
    if let Some(Whole::TooLong) = whole(text) {
        return Err(too_long(key, text));
    }
    serde_json::from_str(text)
        .map_err(|error| Error::invalid(format!("input `{key}` is not JSON")).because(error))
}

/// A whole number as it is typed.
enum Whole {
    Exact(serde_json::Number),
    /// It would be rounded on its way.
    TooLong,
}

/// None for what is no whole number.
fn whole(text: &str) -> Option<Whole> {
    let digits = text.trim().replace('_', "");
    let bare = digits.strip_prefix(['-', '+']).unwrap_or(&digits);
    if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exact = digits
        .parse::<i64>()
        .map(serde_json::Number::from)
        .or_else(|_| digits.parse::<u64>().map(serde_json::Number::from));
    Some(exact.map_or(Whole::TooLong, Whole::Exact))
}

fn too_long(key: &str, text: &str) -> Error {
    Error::invalid(format!(
        "input `{key}` cannot be `{text}`: whole numbers are exact from -2^63 to 2^64 - 1"
    ))
}

/// Text as the schema wants it. Where the schema leaves it open, JSON that is no text is taken as JSON.
fn typed(key: &str, text: &str, field: &Value, schemas: &Map<String, Value>) -> Result<Value> {
    let kinds = types(field, schemas);
    let has = |kind: &str| kinds.iter().any(|known| known == kind);
    if has("null") && (text.is_empty() || text == "null") && !(has("string") && text == "null") {
        return Ok(Value::Null);
    }
    if let Some(choices) = choices(field, schemas) {
        return choice(key, text, choices);
    }
    match whole(text) {
        Some(Whole::Exact(number)) if has("integer") || has("number") && is_rounded(&number) => {
            return Ok(number.into());
        }
        Some(Whole::TooLong) if has("integer") => return Err(too_long(key, text)),
        _ => {}
    }
    if (has("number") || has("integer"))
        && let Some(number) = number(text)
    {
        return Ok(number);
    }
    if has("boolean")
        && let Some(truth) = truth(text)
    {
        return Ok(truth.into());
    }
    if has("array") || has("object") {
        return structure(key, text, field, has("array"));
    }
    if has("string") {
        return Ok(text.into());
    }
    if kinds.is_empty() {
        if let Some(Whole::TooLong) = whole(text) {
            return Err(too_long(key, text));
        }
        return Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()));
    }
    Err(Error::invalid(format!(
        "input `{key}` must be {}, not `{text}`",
        kinds.join(" or ")
    )))
}

fn number(text: &str) -> Option<Value> {
    let number: f64 = text.replace('_', "").parse().ok()?;
    serde_json::Number::from_f64(number).map(Value::Number)
}

/// Whether a floating-point number would be another one.
fn is_rounded(number: &serde_json::Number) -> bool {
    const EXACT_MAX: u64 = 1 << 53;
    number
        .as_i64()
        .is_none_or(|number| number.unsigned_abs() > EXACT_MAX)
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A list may be typed as JSON or with commas; an object as JSON only.
fn structure(key: &str, text: &str, field: &Value, list: bool) -> Result<Value> {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => return Ok(value),
        _ if list => {}
        Ok(_) => {
            return Err(Error::invalid(format!(
                "input `{key}` must be a JSON object, not `{text}`"
            )));
        }
        Err(error) => {
            return Err(Error::invalid(format!("input `{key}` is not JSON")).because(error));
        }
    }
    let items = field.get("items").cloned().unwrap_or(Value::Null);
    text.split(',')
        .map(|part| typed(key, part.trim(), &items, &Map::new()))
        .collect::<Result<Vec<_>>>()
        .map(Value::Array)
}

fn choice(key: &str, text: &str, choices: &[Value]) -> Result<Value> {
    let words = |choice: &Value| {
        choice
            .as_str()
            .map_or_else(|| choice.to_string(), str::to_owned)
    };
    choices
        .iter()
        .find(|choice| words(choice) == text)
        .cloned()
        .ok_or_else(|| {
            let known: Vec<String> = choices.iter().map(words).collect();
            Error::invalid(format!("input `{key}` cannot be `{text}`"))
                .hint(format!("choose one of {}", known.join(", ")))
        })
}

/// Follows `$ref` and the only member of `allOf`.
fn resolved<'a>(field: &'a Value, schemas: &'a Map<String, Value>) -> &'a Value {
    let name = field
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next());
    if let Some(target) = name.and_then(|name| schemas.get(name)) {
        return target;
    }
    match field
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([only]) => resolved(only, schemas),
        _ => field,
    }
}

fn choices<'a>(field: &'a Value, schemas: &'a Map<String, Value>) -> Option<&'a [Value]> {
    resolved(field, schemas)
        .get("enum")?
        .as_array()
        .map(Vec::as_slice)
}

/// The JSON types that a field may have.
fn types(field: &Value, schemas: &Map<String, Value>) -> Vec<String> {
    let field = resolved(field, schemas);
    let mut kinds: Vec<String> = match field.get("type") {
        Some(Value::String(kind)) => vec![kind.clone()],
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| field.get(*key).and_then(Value::as_array))
            .flatten()
            .flat_map(|member| types(member, schemas))
            .collect(),
    };
    if field.get("nullable") == Some(&Value::Bool(true)) && !kinds.iter().any(|kind| kind == "null")
    {
        kinds.push("null".to_owned());
    }
    kinds
}

/// What `@name` means for a field: the file, or what is written in it.
fn file(path: &str, field: &Value, schemas: &Map<String, Value>) -> Typed {
    let path = PathBuf::from(path);
    let kinds = types(field, schemas);
    let list = kinds.iter().any(|kind| kind == "array");
    match (is_file(field, schemas), list) {
        (true, true) => Typed::FileInList(path),
        (true, false) => Typed::File(path),
        _ if kinds.iter().any(|kind| kind == "string") => Typed::TextOf(path),
        _ => Typed::JsonOf(path),
    }
}

fn is_file(field: &Value, schemas: &Map<String, Value>) -> bool {
    let field = resolved(field, schemas);
    let format = field.get("format").and_then(Value::as_str);
    // A file may stand for a dataset; written plainly, its name is meant.
    if matches!(format, Some("uri" | "dataset")) {
        return true;
    }
    ["items", "anyOf", "oneOf"]
        .iter()
        .any(|key| match field.get(*key) {
            Some(Value::Array(members)) => members.iter().any(|member| is_file(member, schemas)),
            Some(items) => is_file(items, schemas),
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schemas() -> Map<String, Value> {
        let schemas = json!({
            "Input": {"type": "object", "properties": {
                "draws": {"type": "integer", "minimum": 1},
                "scale": {"type": "number"},
                "photo": {"type": "string", "format": "uri", "x-onstage-type": "image"},
                "name": {"type": "string"},
                "maybe": {"type": ["integer", "null"], "nullable": true},
                "dark": {"type": "boolean"},
                "points": {"type": "array", "items": {"type": "number"}},
                "photos": {"type": "array", "items": {"type": "string", "format": "uri"}},
                "zone": {"allOf": [{"$ref": "#/components/schemas/zone"}]},
                "level": {"type": "integer", "enum": [1, 2]},
                "point": {"$ref": "#/components/schemas/Point"},
                "any": {},
            }},
            "zone": {"type": "string", "enum": ["N", "S"]},
            "Point": {"type": "object", "properties": {"x": {"type": "number"}}},
        });
        schemas.as_object().unwrap().clone()
    }

    fn value(word: &str) -> Result<Value> {
        match input(word, &schemas())?.1 {
            Typed::Value(value) => Ok(value),
            file => panic!("{word} is {file:?}"),
        }
    }

    #[test]
    fn values_become_what_the_schema_wants() {
        for (word, expected) in [
            ("draws=3", json!(3)),
            ("scale=3", json!(3.0)),
            ("scale=1e-3", json!(0.001)),
            ("name=3", json!("3")),
            ("name=", json!("")),
            ("name=a=b", json!("a=b")),
            ("name:=\"@home\"", json!("@home")),
            ("maybe=", json!(null)),
            ("maybe=4", json!(4)),
            ("dark=yes", json!(true)),
            ("points=1,2.5", json!([1.0, 2.5])),
            ("points=[1,2]", json!([1, 2])),
            ("zone=N", json!("N")),
            ("level=2", json!(2)),
            ("point={\"x\": 1}", json!({"x": 1})),
            ("any=3", json!(3)),
            ("any=fish", json!("fish")),
            ("name:=null", json!(null)),
            ("draws:=\"x\"", json!("x")),
            ("draws=9007199254740993", json!(9_007_199_254_740_993_i64)),
            ("draws=-9007199254740993", json!(-9_007_199_254_740_993_i64)),
            ("draws=18446744073709551615", json!(u64::MAX)),
            ("draws=1_000", json!(1000)),
            ("scale=9007199254740993", json!(9_007_199_254_740_993_i64)),
            ("any=9007199254740993", json!(9_007_199_254_740_993_i64)),
        ] {
            assert_eq!(
                value(word).unwrap_or_else(|error| panic!("{word}: {error}")),
                expected,
                "{word}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (word, message) in [
            ("draws=many", "input `draws` must be integer, not `many`"),
            ("dark=maybe", "input `dark` must be boolean, not `maybe`"),
            ("zone=W", "input `zone` cannot be `W`"),
            ("darws=3", "the model has no input `darws`"),
            ("draws", "input `draws` has no value"),
            ("nothing", "`nothing` is not an input"),
            (
                "draws=18446744073709551616",
                "input `draws` cannot be `18446744073709551616`: whole numbers are exact from -2^63 to 2^64 - 1",
            ),
            (
                "draws:=18446744073709551616",
                "input `draws` cannot be `18446744073709551616`: whole numbers are exact from -2^63 to 2^64 - 1",
            ),
            ("=3", "`=3` is not an input"),
            ("points=1,x", "input `points` must be number, not `x`"),
        ] {
            assert_eq!(value(word).unwrap_err().message, message, "{word}");
        }
        assert!(value("draws:=nope").is_err());
        assert!(value("point=nope").is_err());
    }

    #[test]
    fn a_name_is_given_once_unless_it_is_a_list_of_files() {
        let read = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            inputs(&words, &schemas())
        };
        assert_eq!(
            read(&["draws=1", "draws=2"]).unwrap_err().message,
            "input `draws` is given twice"
        );
        assert_eq!(read(&["photos=@a", "photos=@b"]).unwrap().len(), 2);
    }

    #[test]
    fn files_stay_names_until_they_are_sent() {
        let path = || PathBuf::from("a/b.jpg");
        for (word, file) in [
            ("photo=@a/b.jpg", Typed::File(path())),
            ("photos=@a/b.jpg", Typed::FileInList(path())),
            ("name=@a/b.jpg", Typed::TextOf(path())),
            ("point=@a/b.jpg", Typed::JsonOf(path())),
        ] {
            assert_eq!(input(word, &schemas()).unwrap().1, file, "{word}");
        }
    }
}
