//! HTTP problems as errors: status to kind in one match, the server's own sentence and hint kept.
//! Does not print.

use onstage_core::{Error, Kind};
use reqwest::StatusCode;
use serde::Deserialize;

/// How much of an answer that is no problem document is shown.
const FOREIGN_CHARS_MAX: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
    errors: Vec<Violation>,
    request_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Violation {
    pointer: String,
    expected: String,
    got: String,
}

pub(super) fn error(status: StatusCode, retry_after: Option<&str>, body: &[u8]) -> Error {
    let kind = kind(status);
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return foreign(kind, status, body);
    };
    let mut message = problem.detail.or(problem.title).map_or_else(
        || format!("the server answered {status}"),
        |text| in_our_style(&text),
    );
    if problem.errors.len() > 1 {
        for Violation {
            pointer,
            expected,
            got,
        } in &problem.errors
        {
            message.push_str(&format!("\n  {pointer}: expected {expected}, got {got}"));
        }
    }
    if kind == Kind::Internal
        && let Some(id) = problem.request_id
    {
        message.push_str(&format!(" (request `{id}`)"));
    }
    let error = Error::new(kind, message);
    match (problem.hint, status, retry_after) {
        // The server's hint speaks of headers, which are our business here.
        (_, StatusCode::UNAUTHORIZED, _) => {
            error.hint("pass a token with `--token` or ONSTAGE_TOKEN; `onstage token create` on the server's machine makes one")
        }
        (Some(hint), ..) => error.hint(hint),
        (None, StatusCode::TOO_MANY_REQUESTS, Some(seconds)) => error.hint(format!("try again in {seconds} s")),
        _ => error,
    }
}

/// The server speaks in whole sentences, the command line in lower case with the noun first and no full stop.
fn in_our_style(sentence: &str) -> String {
    let text = sentence.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let text = text.strip_prefix("The ").unwrap_or(text);
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // Not what is written in capitals, as names and abbreviations are.
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

fn kind(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 | 403 => Kind::Denied,
        404 | 410 => Kind::NotFound,
        409 | 412 => Kind::Conflict,
        408 | 504 => Kind::Timeout,
        429 => Kind::Busy,
        502 | 503 => Kind::Unavailable,
        402 => Kind::OverBudget,
        507 => Kind::Full,
        400..500 => Kind::Invalid,
        _ => Kind::Internal,
    }
}

fn foreign(kind: Kind, status: StatusCode, body: &[u8]) -> Error {
    let text: String = String::from_utf8_lossy(body)
        .trim()
        .chars()
        .take(FOREIGN_CHARS_MAX)
        .collect();
    let message = if text.is_empty() {
        format!("the server answered {status}")
    } else {
        format!("the server answered {status}: {text}")
    };
    Error::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_kept() {
        let body = br#"{"type":"about:blank","title":"Invalid input","status":422,"detail":"Two fields are wrong.","hint":"see the schema",
            "errors":[{"pointer":"/input/draws","expected":"at most 50","got":"70"},{"pointer":"/input/zone","expected":"one of N, S","got":"\"W\""}]}"#;
        let error = error(StatusCode::UNPROCESSABLE_ENTITY, None, body);
        assert_eq!(error.kind, Kind::Invalid);
        assert_eq!(
            error.message,
            "two fields are wrong\n  /input/draws: expected at most 50, got 70\n  /input/zone: expected one of N, S, got \"W\""
        );
        assert_eq!(error.hint.as_deref(), Some("see the schema"));
    }

    #[test]
    fn an_answer_of_somebody_else_is_shown_short() {
        let error = error(StatusCode::BAD_GATEWAY, None, b"<html>Bad Gateway</html>");
        assert_eq!(error.kind, Kind::Unavailable);
        assert!(error.message.contains("<html>Bad Gateway"), "{error}");
    }

    #[test]
    fn sentences_become_messages() {
        for (sentence, message) in [
            (
                "The model `lab/age` is busy: 3 requests wait already.",
                "model `lab/age` is busy: 3 requests wait already",
            ),
            (
                "There is no model `lab/age`.",
                "there is no model `lab/age`",
            ),
            (
                "A folder is gone. Look again.",
                "a folder is gone. Look again",
            ),
            ("JSON is expected.", "JSON is expected"),
            ("`x` is wrong", "`x` is wrong"),
            ("", ""),
        ] {
            assert_eq!(in_our_style(sentence), message);
        }
    }

    #[test]
    fn busy_says_when_to_come_back() {
        let error = error(
            StatusCode::TOO_MANY_REQUESTS,
            Some("3"),
            br#"{"detail":"The queue is full."}"#,
        );
        assert_eq!(error.hint.as_deref(), Some("try again in 3 s"));
    }
}
