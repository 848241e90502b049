//! A SQLite file as a backup needs it: a snapshot while others write, a check that it is whole, the blobs its records point at.
//! Knows columns only by the endings of their names: `_json` and `_key`.

use super::{error::store_error, sqlite};
use onstage_core::{Error, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

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
pub(in crate::store) async fn blob_keys(path: &Path) -> Result<BTreeSet<String>> {
    let connection = sqlite::connect_still(path).await?;
    let mut keys = BTreeSet::new();
    for table in texts(
        &connection,
        "SELECT name FROM sqlite_master WHERE type = 'table'",
    )
    .await?
    {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        for column in texts(&connection, &columns).await? {
            if column.ends_with("_key") {
                let select =
                    format!("SELECT \"{column}\" FROM \"{table}\" WHERE \"{column}\" IS NOT NULL");
                keys.extend(texts(&connection, &select).await?);
            }
            if column.ends_with("_json") {
                let select = format!(
                    "SELECT \"{column}\" FROM \"{table}\" WHERE \"{column}\" LIKE '%blob%'"
                );
                for text in texts(&connection, &select).await? {
                    in_text(&text, &mut keys);
                }
            }
        }
    }
    connection.close().await.map_err(store_error)?;
    Ok(keys)
}

/// JSON in which JSON may lie as text again. What is no JSON points at nothing.
fn in_text(text: &str, keys: &mut BTreeSet<String>) {
    if let Ok(value) = serde_json::from_str(text) {
        in_value(&value, keys);
    }
}

fn in_value(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.contains("blob") && text.starts_with(['{', '[']) => {
            in_text(text, keys);
        }
        Value::Array(items) => items.iter().for_each(|item| in_value(item, keys)),
        Value::Object(fields) => {
            let key = match fields.get("$blob") {
                Some(key) => Some(key),
                None if fields.contains_key("sha256") => fields.get("key"),
                None => None,
            };
            keys.extend(key.and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| in_value(field, keys));
        }
        _ => {}
    }
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
        for (text, wanted) in [
            (
                r#"{"blob":{"key":"a/b","size_bytes":1,"sha256":"00"}}"#,
                vec!["a/b"],
            ),
            (
                r#"{"inline":"{\"f\":{\"$blob\":\"c\",\"size\":2}}"}"#,
                vec!["c"],
            ),
            (r#"[{"$blob":"d"},[{"$blob":"e"}]]"#, vec!["d", "e"]),
            (r#"{"key":"no blob"}"#, vec![]),
            ("oops blob", vec![]),
        ] {
            let mut keys = BTreeSet::new();
            in_text(text, &mut keys);
            assert_eq!(keys.into_iter().collect::<Vec<_>>(), wanted, "{text}");
        }
    }
}
