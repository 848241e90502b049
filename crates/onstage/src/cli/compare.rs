//! `onstage compare`: versions of a model side by side.
//! Measures nothing itself.

use super::{caller::Caller, exit::Failure, print};
use onstage_core::Error;
use serde_json::Value;

/// Compare versions of a model: what they were trained with and what that measured
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age` or `lab/age`
    #[arg(value_name = "MODEL")]
    model: String,
    /// The versions: `v1 v3`, or aliases
    #[arg(value_name = "VERSION", required = true)]
    versions: Vec<String>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let name = crate::client::full_name(&client.model(&args.model).await?);
    let plain = |text: &String| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if let Some(wrong) = args.versions.iter().find(|text| !plain(text)) {
        let why = format!("`{}` is no version", print::harmless(wrong));
        return Err(Error::invalid(why)
            .hint("write `v3`, `3`, the start of an id, or an alias")
            .into());
    }
    let versions = args.versions.join(",");
    let compared = client
        .get(&format!("/v1/models/{name}/compare?versions={versions}"))
        .await?;
    if caller.json {
        return print::json(&compared);
    }
    let none = Vec::new();
    let columns = compared["versions"].as_array().unwrap_or(&none);
    let mut header = vec![String::new()];
    header.extend(columns.iter().map(title));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut rows = Vec::new();
    for part in ["parameters", "metrics"] {
        for (of, values) in compared[part].as_object().into_iter().flatten() {
            let cells = values.as_array().unwrap_or(&none).iter().map(cell);
            rows.push(std::iter::once(of.clone()).chain(cells).collect());
        }
    }
    print::table(&header, rows)
}

fn title(version: &Value) -> String {
    let live = match version["live"].as_bool() {
        Some(true) => " (live)",
        _ => "",
    };
    format!("v{}{live}", version["number"])
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
