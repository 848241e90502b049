//! `onstage data show`: the columns of a table, their types, what is missing, and its first rows; of an archive, its files.
//! Does not fetch the table.

use crate::cli::{caller::Caller, exit::Failure, print, push::words};
use onstage_core::dataset::DatasetRef;
use serde_json::Value;

const CELL_CHARS_MAX: usize = 24;
const COLUMNS_SHOWN_MAX: usize = 12;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The dataset: `labels` for its newest version, or `labels@v3`
    #[arg(value_name = "NAME[@vN]", value_parser = super::reference)]
    dataset: DatasetRef,
    /// How many rows to show
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200))]
    rows: u32,
}

pub(super) async fn run(caller: &Caller, args: &Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let path = format!("{}/preview?rows={}", super::path(&args.dataset), args.rows);
    let preview = client.get(&path).await?;
    if caller.json {
        return print::json(&preview);
    }
    let columns = list(&preview, "columns");
    let shown = columns.iter().map(|column| {
        vec![
            words(column, "name").to_owned(),
            column["type"].as_str().unwrap_or("empty").to_owned(),
            column["missing"].to_string(),
        ]
    });
    if !columns.is_empty() {
        print::table(&["column", "type", "missing"], shown.collect())?;
        print::line("")?;
        rows(&columns, &list(&preview, "rows"))?;
    }
    let files = list(&preview, "files");
    if !files.is_empty() {
        let row = |file: &Value| vec![words(file, "path").to_owned(), file["size"].to_string()];
        print::table(&["file", "bytes"], files.iter().map(row).collect())?;
    }
    let total = match preview["rows_total"].as_u64() {
        _ if preview["files"].is_array() => format!("{} files", files.len()),
        Some(total) => format!("{total} rows"),
        None => format!("{} rows seen", preview["rows_seen"]),
    };
    print::say(&format!(
        "{} · {} · {total}",
        words(&preview, "reference"),
        words(&preview, "format")
    ));
    if let Some(note) = preview["note"].as_str() {
        print::say(note);
    }
    Ok(())
}

fn rows(columns: &[Value], rows: &[Value]) -> Result<(), Failure> {
    let names: Vec<&str> = columns
        .iter()
        .take(COLUMNS_SHOWN_MAX)
        .map(|column| words(column, "name"))
        .collect();
    let shown = rows.iter().map(|row| match row["error"].as_str() {
        Some(why) if row.as_object().is_some_and(|row| row.len() == 1) => vec![why.to_owned()],
        _ => names.iter().map(|name| cell(&row[*name])).collect(),
    });
    print::table(&names, shown.collect())
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    print::short(&text, CELL_CHARS_MAX)
}

fn list(value: &Value, name: &str) -> Vec<Value> {
    value[name].as_array().cloned().unwrap_or_default()
}
