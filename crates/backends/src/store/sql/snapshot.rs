//! A SQLite file as a backup needs it: a snapshot while others write, a check that it is whole, the blobs its records point at.
//! Knows columns by the endings of their names, `_json` and `_key`, and those that hold what people write.

use super::{error::store_error, sqlite};
use crate::store::BlobKeys;
use onstage_core::{Error, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};
use serde_json::Value;
use std::path::Path;

/// Columns with JSON that is people's own, or a copy that stays when what it shows is deleted: whatever it looks like, it needs no blob.
const PEOPLES: [(&str, &str); 5] = [
    ("app_state", "value_json"),
    ("feedback", "correction_json"),
    ("feedback", "input_json"),
    ("feedback", "output_json"),
    ("files", "metadata_json"),
];
/// Columns with inputs and outputs: blobs in them are named as values name them.
const VALUES: [(&str, &str); 2] = [("events", "data_json"), ("versions", "examples_json")];

/// The field of a record that holds a value.
const INLINE: &str = "inline";

/// How a blob is named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// In our own records: `key` beside `sha256`.
    Record,
    /// In values: `$blob`.
    Value,
}

/// Copies the store as it is at one moment; writers are not held up. Errors: not found, full, unavailable.
pub(in crate::store) async fn snapshot(from: &Path, to: &Path) -> Result<()> {
    if !from.is_file() {
        let text = format!("there is no store `{}`", from.display());
        return Err(Error::not_found(text).hint("is `--data DIR` the right folder?"));
    }
    let connection = sqlite::connect_writer(from, sqlite::Durability::Full).await?;
    let place = to.display().to_string();
    let copy = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [place.into()]);
    let copied = connection.execute_raw(copy).await.map_err(store_error);
    connection.close().await.map_err(store_error)?;
    copied.map(|_| ())
}

/// Errors: invalid, when the file is damaged or rows lack what they belong to.
pub(in crate::store) async fn check_file(path: &Path) -> Result<()> {
    let connection = sqlite::connect_still(path).await?;
    let damaged = |what: String| {
        Error::invalid(format!("store `{}` is damaged: {what}", path.display()))
            .hint("restore an older backup")
    };
    let said = texts(&connection, "PRAGMA integrity_check").await?;
    if said != ["ok"] {
        return Err(damaged(said.join("; ")));
    }
    let orphans = texts(&connection, "PRAGMA foreign_key_check").await?;
    match orphans.first() {
        Some(table) => Err(damaged(format!(
            "a row of `{table}` lacks the one it belongs to"
        ))),
        None => connection.close().await.map_err(store_error),
    }
}

/// Keys of all blobs that records point at.
pub(in crate::store) async fn blob_keys(path: &Path) -> Result<BlobKeys> {
    let connection = sqlite::connect_still(path).await?;
    let mut keys = BlobKeys::new();
    for table in texts(
        &connection,
        "SELECT name FROM sqlite_master WHERE type = 'table'",
    )
    .await?
    {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns = texts(&connection, &columns).await?;
        for column in &columns {
            let place = (table.as_str(), column.as_str());
            let is_json = column.ends_with("_json") && !PEOPLES.contains(&place);
            let which = match column.ends_with("_key") {
                true => "IS NOT NULL",
                false if is_json => "LIKE '%blob%'",
                false => continue,
            };
            // Tables begin with what tells their rows apart.
            let of = &columns[0];
            let select = format!(
                "SELECT \"{column}\", CAST(\"{of}\" AS TEXT) FROM \"{table}\" WHERE \"{column}\" {which}"
            );
            for (text, id) in pairs(&connection, &select).await? {
                let mut found = Vec::new();
                match is_json {
                    true if VALUES.contains(&place) => in_text(&text, Named::Value, &mut found),
                    true => in_text(&text, Named::Record, &mut found),
                    false => found.push(text),
                }
                let record = format!("`{id}` in table `{table}`");
                keys.extend(found.into_iter().map(|key| (key, record.clone())));
            }
        }
    }
    connection.close().await.map_err(store_error)?;
    Ok(keys)
}

/// What is no JSON points at nothing.
fn in_text(text: &str, named: Named, keys: &mut Vec<String>) {
    if let Ok(value) = serde_json::from_str(text) {
        in_json(&value, named, keys);
    }
}

fn in_json(json: &Value, named: Named, keys: &mut Vec<String>) {
    match json {
        Value::Array(items) => items.iter().for_each(|item| in_json(item, named, keys)),
        Value::Object(fields) => {
            let is_ours = named == Named::Record && fields.contains_key("sha256");
            let key = fields.get("$blob");
            let key = key.or_else(|| fields.get("key").filter(|_| is_ours));
            keys.extend(key.and_then(Value::as_str).map(str::to_owned));
            // A value within a record is text. No other text is looked into: people write logs and errors as well.
            if let Some(Value::String(value)) =
                fields.get(INLINE).filter(|_| named == Named::Record)
            {
                in_text(value, Named::Value, keys);
            }
            fields
                .values()
                .for_each(|field| in_json(field, named, keys));
        }
        _ => {}
    }
}

/// The first two columns of every row.
async fn pairs(connection: &DatabaseConnection, sql: &str) -> Result<Vec<(String, String)>> {
    let ask = Statement::from_string(DbBackend::Sqlite, sql);
    let rows = connection.query_all_raw(ask).await.map_err(store_error)?;
    let pair = |row: &QueryResult| {
        let id = row.try_get_by_index::<Option<String>>(1)?;
        Ok((row.try_get_by_index(0)?, id.unwrap_or_default()))
    };
    let pairs: Result<_, sea_orm::DbErr> = rows.iter().map(pair).collect();
    pairs.map_err(store_error)
}

/// The first column of every row.
async fn texts(connection: &DatabaseConnection, sql: &str) -> Result<Vec<String>> {
    let ask = Statement::from_string(DbBackend::Sqlite, sql);
    let rows = connection.query_all_raw(ask).await.map_err(store_error)?;
    let text = |row: &QueryResult| row.try_get_by_index::<String>(0).map_err(store_error);
    rows.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_found_wherever_json_names_them() {
        const OURS: &str = r#"{"blob":{"key":"a/b","size_bytes":1,"sha256":"00"}}"#;
        for (named, text, wanted) in [
            (Named::Record, OURS, vec!["a/b"]),
            (Named::Value, OURS, vec![]),
            (
                Named::Record,
                r#"{"inline":"{\"f\":{\"$blob\":\"c\",\"size\":2}}"}"#,
                vec!["c"],
            ),
            (
                Named::Record,
                r#"{"inline":"{\"blob\":{\"key\":\"mine\",\"sha256\":\"00\"}}"}"#,
                vec![],
            ),
            (
                Named::Value,
                r#"[{"$blob":"d"},[{"$blob":"e"}]]"#,
                vec!["d", "e"],
            ),
            (Named::Record, r#"{"key":"no blob"}"#, vec![]),
            (
                Named::Record,
                r#"{"message":"{\"$blob\":\"said\"}"}"#,
                vec![],
            ),
            (
                Named::Value,
                r#"{"data":"{\"$blob\":\"logged\"}","inline":"{\"$blob\":\"said\"}"}"#,
                vec![],
            ),
            (Named::Record, "oops blob", vec![]),
        ] {
            let mut keys = Vec::new();
            in_text(text, named, &mut keys);
            assert_eq!(keys, wanted, "{text}");
        }
    }
}
