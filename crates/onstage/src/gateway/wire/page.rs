//! A page of a list, with the link to the next.
//! Does not know what the rows are.

use crate::gateway::{
    call::{self, Call, Paging},
    problem::Answer,
};
use http::StatusCode;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct PageOf<T> {
    pub(crate) results: Vec<T>,
    pub(crate) next: Option<String>,
    /// Pages go one way.
    pub(crate) previous: Option<String>,
}

/// Cuts the one row too many that was asked for, and links to where it begins.
/// `cursor_of` names the row after which the next page begins.
pub(crate) fn cut<R>(
    call: &Call,
    paging: &Paging,
    mut rows: Vec<R>,
    cursor_of: impl Fn(&R) -> String,
) -> (Vec<R>, Option<String>) {
    let most = paging.rows() as usize;
    let more = rows.len() > most;
    rows.truncate(most);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|last| next_link(call, &cursor_of(last)));
    (rows, next)
}

pub(crate) fn answer<T: Serialize>(results: Vec<T>, next: Option<String>) -> Answer {
    let page = PageOf {
        results,
        next,
        previous: None,
    };
    call::json(StatusCode::OK, &page)
}

/// The same request with another cursor.
fn next_link(call: &Call, cursor: &str) -> String {
    let mut query: Vec<String> = call
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
        .map(str::to_owned)
        .collect();
    query.push(format!("cursor={}", escape(cursor)));
    call.url(&format!("{}?{}", call.uri.path(), query.join("&")))
}

/// Percent-encodes what has a meaning in a query.
pub(crate) fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
