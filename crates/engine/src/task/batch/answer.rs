//! How answers become columns of the result, and when an answer equals the true one.
//! Pure; does not write tables.

use onstage_core::schema::ModelSchema;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// More keys than this stay together in one column as JSON.
const ANSWER_COLUMNS_MAX: usize = 200;
/// Two numbers this close, relative to the larger, are equal.
const NUMBER_TOLERANCE: f64 = 1e-9;

/// What the outputs seen so far have in common.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    scores: bool,
    /// An output that is not an object, or one that stands for a file.
    plain: bool,
    keys: Vec<String>,
    known: BTreeSet<String>,
}

/// The answer columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    /// The whole answer.
    One(String),
    /// The best label and its score.
    Best(String, String),
    /// One column a key: key and column name.
    Keys(Vec<(String, String)>),
}

impl Shape {
    /// What the schema alone says: outputs that are scores, or never objects. None, when the outputs decide.
    pub(crate) fn known_before(schema: &ModelSchema) -> Option<Self> {
        let scores = is_scores(schema);
        let plain = schema.output().is_some_and(is_never_object);
        (scores || plain).then(|| Self {
            scores,
            plain,
            ..Self::default()
        })
    }

    /// Takes in one output.
    pub(crate) fn see(&mut self, output: &Value) {
        match output {
            Value::Object(object) if !object.contains_key("$blob") => {
                if self.scores || self.plain {
                    return;
                }
                for key in object.keys() {
                    if self.known.insert(key.clone()) {
                        self.keys.push(key.clone());
                    }
                }
                self.plain = self.keys.len() > ANSWER_COLUMNS_MAX;
            }
            Value::Null => {}
            _ => self.plain = true,
        }
    }

    /// The columns, by names that the table does not have yet.
    pub(crate) fn columns(self, table: &[String]) -> Columns {
        if self.scores {
            return Columns::Best(free_name(table, "answer"), free_name(table, "score"));
        }
        if self.plain || self.keys.is_empty() {
            return Columns::One(free_name(table, "answer"));
        }
        let named = |key: String| {
            let name = free_name(table, &format!("answer.{key}"));
            (key, name)
        };
        Columns::Keys(self.keys.into_iter().map(named).collect())
    }
}

impl Columns {
    /// In the order of the result.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name.clone()],
            Self::Best(label, score) => vec![label.clone(), score.clone()],
            Self::Keys(keys) => keys.iter().map(|(_, name)| name.clone()).collect(),
        }
    }

    /// Puts an answer's cells into a row.
    pub(crate) fn fill(&self, row: &mut Map<String, Value>, output: Value) {
        match (self, output) {
            (Self::One(name), output) => {
                row.insert(name.clone(), output);
            }
            (Self::Best(label, score), output) => {
                if let Some((best, value)) = best(&output) {
                    row.insert(label.clone(), Value::String(best.to_owned()));
                    row.insert(score.clone(), value.clone());
                }
            }
            (Self::Keys(keys), Value::Object(mut object)) => {
                for (key, name) in keys {
                    if let Some(value) = object.remove(key) {
                        row.insert(name.clone(), value);
                    }
                }
            }
            (Self::Keys(_), _) => {}
        }
    }
}

/// A name that no column has: the wish itself, or with a number behind it.
pub(crate) fn free_name(taken: &[String], wish: &str) -> String {
    if !taken.iter().any(|name| name == wish) {
        return wish.to_owned();
    }
    (2_u32..)
        .map(|number| format!("{wish}_{number}"))
        .find(|name| !taken.contains(name))
        .expect("numbers do not run out before columns do")
}

/// Whether the outputs are scores by label.
pub(crate) fn is_scores(schema: &ModelSchema) -> bool {
    schema
        .output()
        .and_then(|output| output.get("x-onstage-type"))
        .is_some_and(|kind| kind == "scores")
}

fn is_never_object(output: &Value) -> bool {
    let plain = |kind: &Value| {
        let plain = ["string", "number", "integer", "boolean", "null", "array"];
        kind.as_str().is_some_and(|kind| plain.contains(&kind))
    };
    match output.get("type") {
        Some(Value::Array(kinds)) => !kinds.is_empty() && kinds.iter().all(plain),
        Some(kind) => plain(kind),
        None => false,
    }
}

/// Whether an answer equals the true one, however the table spells it. Nothing equals an empty cell.
pub(crate) fn matches(output: &Value, label: &Value, scores: bool) -> bool {
    let answer = match output {
        Value::Object(_) if scores => match best(output) {
            Some((label, _)) => Value::String(label.to_owned()),
            None => return false,
        },
        Value::Object(object) if object.len() == 1 => {
            object.values().next().cloned().unwrap_or(Value::Null)
        }
        other => other.clone(),
    };
    if is_empty(&answer) || is_empty(label) {
        return false;
    }
    match (number(&answer), number(label)) {
        (Some(a), Some(b)) => (a - b).abs() <= NUMBER_TOLERANCE * a.abs().max(b.abs()).max(1.0),
        _ => text(&answer) == text(label),
    }
}

/// The label with the highest score; of equals the first.
fn best(output: &Value) -> Option<(&str, &Value)> {
    let mut found: Option<(&str, &Value, f64)> = None;
    for (label, score) in output.as_object()? {
        let Some(number) = score.as_f64() else {
            continue;
        };
        if found.is_none_or(|(_, _, highest)| number > highest) {
            found = Some((label, score, number));
        }
    }
    found.map(|(label, score, _)| (label, score))
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => match text.trim() {
            word if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("yes") => {
                "1".to_owned()
            }
            word if word.eq_ignore_ascii_case("false") || word.eq_ignore_ascii_case("no") => {
                "0".to_owned()
            }
            word => word.to_owned(),
        },
        Value::Bool(yes) => u8::from(*yes).to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_equal_labels_however_they_are_spelled() {
        for (output, label, equal) in [
            (json!(3), json!("3"), true),
            (json!(3.0), json!(3), true),
            (json!("cat"), json!(" cat "), true),
            (json!("cat"), json!("dog"), false),
            (json!(true), json!("yes"), true),
            (json!(true), json!("1"), true),
            (json!(false), json!("True"), false),
            (json!(null), json!(""), false),
            (json!({"age": 4}), json!("4"), true),
            (json!(0.1 + 0.2), json!("0.3"), true),
            (json!([1, 2]), json!([1, 2]), true),
        ] {
            assert_eq!(matches(&output, &label, false), equal, "{output} {label}");
        }
        assert!(matches(&json!({"3": 0.2, "8": 0.7}), &json!(8), true));
        assert!(!matches(&json!({"3": 0.8, "8": 0.1}), &json!(8), true));
        assert!(!matches(&json!({}), &json!(8), true));
    }

    fn columns(outputs: &[Value], table: &[&str]) -> Columns {
        let mut shape = Shape::default();
        for output in outputs {
            shape.see(output);
        }
        let table: Vec<String> = table.iter().map(|&name| name.to_owned()).collect();
        shape.columns(&table)
    }

    #[test]
    fn the_columns_follow_what_the_model_answered() {
        let one = Columns::One("answer".into());
        assert_eq!(columns(&[], &[]), one);
        assert_eq!(columns(&[json!(1), json!("x")], &["a"]), one);
        assert_eq!(columns(&[json!({"a": 1}), json!([1])], &[]), one);
        assert_eq!(columns(&[json!({"$blob": "k"})], &[]), one);
        assert_eq!(
            columns(&[json!(1)], &["answer", "answer_2"]),
            Columns::One("answer_3".into())
        );
        let keys = columns(
            &[json!({"a": 1}), Value::Null, json!({"b": 2, "a": 1})],
            &["answer.b"],
        );
        assert_eq!(keys.names(), ["answer.a", "answer.b_2"]);
        let mut row = Map::new();
        keys.fill(&mut row, json!({"b": 5}));
        assert_eq!(Value::Object(row), json!({"answer.b_2": 5}));
    }

    #[test]
    fn too_many_keys_stay_together() {
        let wide: Map<String, Value> = (0..=ANSWER_COLUMNS_MAX)
            .map(|n| (n.to_string(), json!(n)))
            .collect();
        assert_eq!(
            columns(&[Value::Object(wide)], &[]),
            Columns::One("answer".into())
        );
    }

    #[test]
    fn scores_become_the_best_label_and_its_score() {
        let columns = Columns::Best("answer".into(), "score".into());
        let mut row = Map::new();
        columns.fill(&mut row, json!({"3": 0.25, "8": 0.75}));
        assert_eq!(Value::Object(row), json!({"answer": "8", "score": 0.75}));
    }
}
