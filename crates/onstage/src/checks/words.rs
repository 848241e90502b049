//! Violations of a schema in words: where, what was wanted, what was there.
//! Does not decide what a violation is.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use onstage_core::ports::CheckError;
use serde_json::Value;

/// Characters of a value that a message repeats.
const SHOWN_CHARS_MAX: usize = 60;
/// Choices that a message lists.
const CHOICES_MAX: usize = 20;

/// Adds what an error says; one error may name several places.
pub(super) fn describe(error: &ValidationError<'_>, errors: &mut Vec<CheckError>) {
    let pointer = error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::Required { property } => errors.push(CheckError {
            pointer: join(&pointer, property.as_str().unwrap_or_default()),
            expected: "given".to_owned(),
            got: "missing".to_owned(),
        }),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            errors.extend(unexpected.iter().map(|name| CheckError {
                pointer: join(&pointer, name),
                expected: "an input of the model".to_owned(),
                got: "unknown".to_owned(),
            }));
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            match nearest(context) {
                Some(branch) => branch.iter().for_each(|error| describe(error, errors)),
                None => errors.push(plain(error, pointer)),
            }
        }
        _ => errors.push(plain(error, pointer)),
    }
}

fn plain(error: &ValidationError<'_>, pointer: String) -> CheckError {
    CheckError {
        pointer,
        expected: expected(error),
        got: shown(error.instance()),
    }
}

/// Of the forms that were allowed, the one that came farthest: its errors are the ones to read. None when all failed at once.
fn nearest<'a>(
    context: &'a [Vec<ValidationError<'static>>],
) -> Option<&'a Vec<ValidationError<'static>>> {
    let depth = |branch: &&'a Vec<ValidationError<'static>>| {
        branch
            .iter()
            .map(|error| {
                let missing = matches!(error.kind(), ValidationErrorKind::Required { .. });
                error.instance_path().to_string().matches('/').count() + usize::from(missing)
            })
            .max()
            .unwrap_or(0)
    };
    let deepest = context.iter().max_by_key(depth)?;
    let shallowest = context.iter().map(|branch| depth(&branch)).min()?;
    (depth(&deepest) > shallowest).then_some(deepest)
}

fn expected(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Type { kind } => types(kind),
        Kind::Enum { options } => choices(options),
        Kind::Constant { expected_value } => shown(expected_value),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MinLength { limit } => format!("a text of at least {limit} characters"),
        Kind::MaxLength { limit } => format!("a text of at most {limit} characters"),
        Kind::MinItems { limit } => format!("a list of at least {limit}"),
        Kind::MaxItems { limit } => format!("a list of at most {limit}"),
        Kind::Pattern { pattern } => format!("a text that matches `{pattern}`"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::UniqueItems => "a list without repetitions".to_owned(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "one of the allowed forms".to_owned(),
        _ => error.masked().to_string(),
    }
}

fn types(kind: &TypeKind) -> String {
    let words: Vec<&str> = match kind {
        TypeKind::Single(one) => vec![word(&one.to_string())],
        TypeKind::Multiple(many) => many.iter().map(|one| word(&one.to_string())).collect(),
    };
    words.join(" or ")
}

fn word(kind: &str) -> &'static str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    }
}

fn choices(options: &Value) -> String {
    let all: Vec<String> = options
        .as_array()
        .into_iter()
        .flatten()
        .map(shown)
        .collect();
    match all.len() {
        0..=CHOICES_MAX => format!("one of {}", all.join(", ")),
        more => format!("one of {} … ({more} in all)", all[..CHOICES_MAX].join(", ")),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{start}…")
}

fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
