//! Outputs drawn for a terminal by their type: scores as bars, rows as a table, text as text, files by name and size.
//! Does not fetch anything.

use super::{exit::Failure, print};
use serde_json::{Map, Value};

const BAR_CHARS: usize = 30;
const ROWS_MAX: usize = 50;
const CELL_CHARS_MAX: usize = 40;

/// Prints an output.
pub(super) fn output(
    output: &Value,
    schema: &Value,
    schemas: &Map<String, Value>,
) -> Result<(), Failure> {
    let schema = resolved(schema, schemas);
    let kind = schema["x-onstage-type"].as_str().unwrap_or_default();
    match output {
        Value::Object(scores) if kind == "scores" => lines(&bars(scores)),
        Value::Object(_) if kind == "plot" => print::line(
            "a chart (see it in the page, or take its Vega-Lite specification with --json)",
        ),
        Value::String(text) => print::line(&text_or_file(text)),
        Value::Array(rows) if is_table(rows) => table(rows),
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            lines(&items.iter().map(cell_text).collect::<Vec<_>>())
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields_lines(fields, schema, schemas);
            lines(&fields)
        }
        Value::Array(_) => print::json(output),
        Value::Null => print::line("(nothing)"),
        plain => print::line(&plain.to_string()),
    }
}

fn lines(lines: &[String]) -> Result<(), Failure> {
    lines.iter().try_for_each(|line| print::line(line))
}

/// The highest first, the longest bar for the largest.
fn bars(scores: &Map<String, Value>) -> Vec<String> {
    let mut pairs: Vec<(&str, f64)> = scores
        .iter()
        .filter_map(|(name, score)| Some((name.as_str(), score.as_f64()?)))
        .collect();
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    let most = pairs
        .first()
        .map_or(1.0, |(_, score)| score.abs())
        .max(f64::MIN_POSITIVE);
    let shares = pairs.iter().all(|(_, score)| (0.0..=1.0).contains(score));
    let wide = pairs
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0)
        .min(CELL_CHARS_MAX);
    pairs
        .iter()
        .map(|(name, score)| {
            let name = print::short(name, CELL_CHARS_MAX);
            let number = if shares {
                format!("{:5.1} %", score * 100.0)
            } else {
                format!("{score:.4}")
            };
            format!("{name:<wide$}  {:<BAR_CHARS$}  {number}", bar(score / most))
        })
        .collect()
}

/// A bar in eighths of a character.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * BAR_CHARS as f64 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn is_table(rows: &[Value]) -> bool {
    !rows.is_empty() && rows.iter().all(Value::is_object)
}

fn table(rows: &[Value]) -> Result<(), Failure> {
    let mut columns: Vec<&str> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        for name in row.keys() {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
    }
    let cells = rows
        .iter()
        .take(ROWS_MAX)
        .map(|row| columns.iter().map(|column| cell(&row[*column])).collect())
        .collect();
    print::table(&columns, cells)?;
    if rows.len() > ROWS_MAX {
        print::say(&format!(
            "… and {} more rows (--json or --out shows all)",
            rows.len() - ROWS_MAX
        ));
    }
    Ok(())
}

fn fields_lines(
    fields: &Map<String, Value>,
    schema: &Value,
    schemas: &Map<String, Value>,
) -> Vec<String> {
    let mut out = Vec::new();
    for (name, value) in fields {
        let field = resolved(&schema["properties"][name], schemas);
        match value {
            Value::Object(scores) if field["x-onstage-type"] == "scores" => {
                out.push(format!("{name}:"));
                out.extend(bars(scores).into_iter().map(|line| format!("  {line}")));
            }
            Value::Object(_) | Value::Array(_) => out.push(format!("{name}: {value}")),
            plain => out.push(format!("{name}: {}", cell_text(plain))),
        }
    }
    out
}

fn cell(value: &Value) -> String {
    print::short(&cell_text(value), CELL_CHARS_MAX)
}

/// A value within a cell or line.
pub(super) fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text_or_file(text),
        other => other.to_string(),
    }
}

/// Text as it is; a file by what it is and how large.
fn text_or_file(text: &str) -> String {
    let Some((head, body)) = text
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(','))
    else {
        return text.to_owned();
    };
    let media_type = head.split(';').next().unwrap_or_default();
    let bytes = if head.ends_with(";base64") {
        body.len() / 4 * 3
    } else {
        body.len()
    };
    format!(
        "a file, {media_type}, {} (keep it with --out FILE)",
        print::size(bytes as u64)
    )
}

fn resolved<'a>(schema: &'a Value, schemas: &'a Map<String, Value>) -> &'a Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next());
    name.and_then(|name| schemas.get(name)).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scores_are_bars_with_the_highest_first() {
        let scores = json!({"cod": 0.25, "herring": 0.5, "eel": 0.0});
        let lines = bars(scores.as_object().unwrap());
        assert_eq!(lines[0], format!("herring  {}   50.0 %", "█".repeat(30)));
        assert_eq!(
            lines[1],
            format!("cod      {:<30}   25.0 %", "█".repeat(15))
        );
        assert_eq!(lines[2], format!("eel      {:<30}    0.0 %", ""));
    }

    #[test]
    fn bars_grow_in_eighths() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0 / 240.0), "▏");
        assert_eq!(bar(2.0), "█".repeat(30));
    }

    #[test]
    fn files_are_named_not_dumped() {
        assert_eq!(
            text_or_file("data:image/png;base64,AAAAAAAA"),
            "a file, image/png, 6 B (keep it with --out FILE)"
        );
        assert_eq!(text_or_file("data is text"), "data is text");
    }
}
