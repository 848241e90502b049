//! A page of a list, with the link to the next.
//! Does not know what the rows are.

use crate::gateway::{
    call::{self, Call, Paging},
    problem::Answer,
};
use http::StatusCode;
use onstage_core::ports::{Cursor, Listed};
use serde::Serialize;
use std::{collections::HashSet, fmt::Display};

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

/// The link to the next page of what a store listed.
pub(crate) fn link(call: &Call, next: Option<&impl Display>) -> Option<String> {
    next.map(|cursor| next_link(call, &cursor.to_string()))
}

/// One page out of pages of several lists in the same order; of rows with one id, that of the earlier list.
pub(crate) fn merged<R>(
    lists: Vec<Listed<R>>,
    rows_max: usize,
    place: impl Fn(&R) -> Cursor,
) -> Listed<R> {
    // Behind the place where any list breaks off, its rows are not known yet.
    let edge = lists.iter().filter_map(|list| list.next.clone()).max();
    let mut seen = HashSet::new();
    let mut rows: Vec<(Cursor, R)> = lists
        .into_iter()
        .flat_map(|list| list.rows)
        .map(|row| (place(&row), row))
        .filter(|(at, _)| edge.as_ref().is_none_or(|edge| at >= edge))
        .filter(|(at, _)| seen.insert(at.id.clone()))
        .collect();
    rows.sort_by(|(a, _), (b, _)| b.cmp(a));
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let last = rows.last().filter(|_| more).map(|(at, _)| at.clone());
    Listed {
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        next: last.or(edge),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::Timestamp;

    fn list(rows: &[&str], next: Option<&str>) -> Listed<Cursor> {
        Listed {
            rows: rows.iter().map(|row| row.parse().unwrap()).collect(),
            next: next.map(|next| next.parse().unwrap()),
        }
    }

    fn shown(listed: &Listed<Cursor>) -> Vec<i64> {
        listed
            .rows
            .iter()
            .map(
                |Cursor {
                     at: Timestamp(at), ..
                 }| *at,
            )
            .collect()
    }

    #[test]
    fn lists_are_merged_no_further_than_all_are_known() {
        let one = list(&["9-a", "7-b"], Some("7-b"));
        let two = list(&["8-c", "3-d"], None);
        let page = merged(vec![one, two], 5, Clone::clone);
        assert_eq!(
            shown(&page),
            [9, 8, 7],
            "between 7 and 3 the first may have more"
        );
        assert_eq!(page.next, Some("7-b".parse().unwrap()));
        let (one, two) = (list(&["6-e"], None), list(&["3-d"], None));
        let page = merged(vec![one, two], 5, Clone::clone);
        assert_eq!((shown(&page), page.next), (vec![6, 3], None));
    }

    #[test]
    fn a_merged_page_is_cut_and_has_each_id_once() {
        let one = list(&["9-a", "7-b"], None);
        let two = list(&["9-a", "8-c", "6-d"], None);
        let page = merged(vec![one, two], 3, Clone::clone);
        assert_eq!(shown(&page), [9, 8, 7]);
        assert_eq!(page.next, Some("7-b".parse().unwrap()));
    }

    #[test]
    fn a_page_without_readable_rows_leads_on() {
        let one = list(&[], Some("5-x"));
        let page = merged(vec![one, list(&["4-a"], None)], 3, Clone::clone);
        assert_eq!(page, list(&[], Some("5-x")));
    }
}
