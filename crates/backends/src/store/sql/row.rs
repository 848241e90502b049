//! Columns to values and back: the few shapes that all tables share.
//! Must not know a table.

use super::error::store_error;
use onstage_core::{Error, Id, Result, Timestamp, value::BlobRef};
use sea_orm::{QueryResult, TryGetable};
use serde::{Serialize, de::DeserializeOwned};
use std::str::FromStr;

/// A value of any type that the database has itself, `Option` for columns that may be null.
pub(super) fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T> {
    row.try_get_by(column).map_err(store_error)
}

/// A number that is never negative.
pub(super) fn count(row: &QueryResult, column: &str) -> Result<u64> {
    let number: i64 = get(row, column)?;
    u64::try_from(number).map_err(|error| damaged(column, error))
}

/// A sum of such numbers, which is null where there are none.
pub(super) fn sum(row: &QueryResult, column: &str) -> Result<u64> {
    let number: Option<i64> = get(row, column)?;
    u64::try_from(number.unwrap_or(0)).map_err(|error| damaged(column, error))
}

pub(super) fn small(row: &QueryResult, column: &str) -> Result<u32> {
    u32::try_from(count(row, column)?).map_err(|error| damaged(column, error))
}

pub(super) fn time(row: &QueryResult, column: &str) -> Result<Timestamp> {
    get(row, column).map(Timestamp)
}

pub(super) fn maybe_time(row: &QueryResult, column: &str) -> Result<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp))
}

/// Text that has a grammar: an id, a model's name.
pub(super) fn parse<T: FromStr<Err = Error>>(row: &QueryResult, column: &str) -> Result<T> {
    let text: String = get(row, column)?;
    text.parse().map_err(|error| damaged(column, error))
}

pub(super) fn id(row: &QueryResult) -> Result<Id> {
    parse(row, "id")
}

pub(super) fn json<T: DeserializeOwned>(row: &QueryResult, column: &str) -> Result<T> {
    let text: String = get(row, column)?;
    serde_json::from_str(&text).map_err(|error| damaged(column, error))
}

pub(super) fn maybe_json<T: DeserializeOwned>(
    row: &QueryResult,
    column: &str,
) -> Result<Option<T>> {
    let text: Option<String> = get(row, column)?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| damaged(column, error))
}

/// A word of an enum, as serde spells it.
pub(super) fn word<T: DeserializeOwned>(row: &QueryResult, column: &str) -> Result<T> {
    let text: String = get(row, column)?;
    serde_json::from_value(serde_json::Value::String(text)).map_err(|error| damaged(column, error))
}

/// A word that may be missing.
pub(super) fn maybe_word<T: DeserializeOwned>(
    row: &QueryResult,
    column: &str,
) -> Result<Option<T>> {
    let text: Option<String> = get(row, column)?;
    text.map(|text| serde_json::from_value(serde_json::Value::String(text)))
        .transpose()
        .map_err(|error| damaged(column, error))
}

/// The blob in the columns `{prefix}_key`, `{prefix}_size_bytes` and `{prefix}_sha256`.
pub(super) fn blob(row: &QueryResult, prefix: &str) -> Result<BlobRef> {
    Ok(BlobRef {
        key: get(row, &format!("{prefix}_key"))?,
        size_bytes: count(row, &format!("{prefix}_size_bytes"))?,
        sha256: get(row, &format!("{prefix}_sha256"))?,
    })
}

/// A number for the database, whose numbers are signed.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.0)
}

/// Free text for the database: PostgreSQL refuses NUL characters. JSON text has none, it escapes them.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn maybe_plain(text: Option<&str>) -> Option<String> {
    text.map(plain)
}

/// JSON text of a record's part; our own types always have one.
pub(super) fn to_json(part: &impl Serialize) -> String {
    serde_json::to_string(part).expect("a record's part is JSON")
}

pub(super) fn to_word(word: &impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(text)) => text,
        _ => unreachable!("an enum without data is a word"),
    }
}

/// Rows to records. A row that cannot be read is left out and logged, so that it hides no other.
pub(super) fn readable<T>(
    rows: &[QueryResult],
    read: impl Fn(&QueryResult) -> Result<T>,
) -> Vec<T> {
    let log = |error: Error| tracing::error!(%error, "a record in the store cannot be read");
    rows.iter()
        .filter_map(|row| read(row).map_err(log).ok())
        .collect()
}

pub(super) fn damaged(
    column: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::internal(format!("column `{column}` of a record cannot be read")).because(cause)
}
