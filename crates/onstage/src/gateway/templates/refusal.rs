//! A config that does not fit its template's schema, in words: the field, what it should be, and what was probably meant.
//! Does not check.

use super::embedded::Template;
use crate::{cli::nearest, gateway::problem::Problem};
use onstage_core::ports::CheckError;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a check says of a key that a schema does not know.
const UNKNOWN: &str = "unknown";
/// Where in the request the config is.
const POINTER: &str = "/config";

pub(super) fn of(template: &Template, mut errors: Vec<CheckError>) -> Problem {
    let hint = errors.first().map(|error| hint(template, error));
    for error in &mut errors {
        error.pointer.insert_str(0, POINTER);
        if error.got == UNKNOWN {
            error.expected = "a key that the template knows".to_owned();
        }
    }
    let mut problem = Problem::unfit("", errors);
    problem.detail = problem.detail.replacen("The input ", "The field ", 1);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn hint(template: &Template, error: &CheckError) -> String {
    let meant = match error.got.as_str() {
        UNKNOWN => error.pointer.rsplit('/').next(),
        got => got.strip_prefix('"').and_then(|got| got.strip_suffix('"')),
    };
    let mut known = BTreeSet::new();
    words(&template.schema, &mut known);
    let likely = |word: &str| {
        let same = known.iter().find(|known| known.eq_ignore_ascii_case(word));
        same.copied()
            .or_else(|| nearest(word, known.iter().copied()))
    };
    match meant.and_then(likely) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!(
            "`GET /v1/templates` has the schema of the config of `{}`",
            template.name
        ),
    }
}

/// Every key and every choice that the schema names.
fn words<'a>(schema: &'a Value, found: &mut BTreeSet<&'a str>) {
    match schema {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match (key.as_str(), inner) {
                    ("enum", Value::Array(choices)) => {
                        found.extend(choices.iter().filter_map(Value::as_str));
                    }
                    ("properties", Value::Object(properties)) => {
                        found.extend(properties.keys().map(String::as_str));
                    }
                    _ => {}
                }
                words(inner, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| words(inner, found)),
        _ => {}
    }
}
