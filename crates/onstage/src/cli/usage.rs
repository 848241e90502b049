//! `onstage usage`: what was computed and what that costs by the server's prices.
//! Adds nothing up itself.

use super::{caller::Caller, exit::Failure, print, when};
use onstage_core::usage::Usd;
use serde_json::Value;
use std::time::Duration;

/// Show what was computed, for whom, and what it costs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this model
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// From an age (`7d`) or day (`2026-05-01`) on; this month when absent
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// What is told apart: day, model, version, person, kind, with commas
    #[arg(long, value_name = "WHAT", default_value = "model,kind")]
    by: String,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let mut path = format!("/v1/usage?by={}", args.by);
    if let Some(model) = &args.model {
        let name = crate::client::full_name(&client.model(model).await?);
        path.push_str(&format!("&model={name}"));
    }
    if let Some(since) = &args.since {
        path.push_str(&format!("&since={}", when::since(since, caller.now())?));
    }
    let report = client.get(&path).await?;
    if caller.json {
        return print::json(&report);
    }
    let none = Vec::new();
    let lines = report["results"].as_array().unwrap_or(&none);
    if lines.is_empty() {
        print::say("nothing was computed");
        return Ok(());
    }
    let keys: Vec<&str> = ["day", "model", "version_number", "person", "kind"]
        .into_iter()
        .filter(|key| lines.iter().any(|line| !line[*key].is_null()))
        .collect();
    let mut head: Vec<&str> = keys
        .iter()
        .map(|key| key.trim_end_matches("_number"))
        .collect();
    head.extend(["runs", "compute", "memory", "cost"]);
    let rows = lines.iter().map(|line| row(&keys, line)).collect();
    print::table(&head, rows)?;
    print::say(&format!(
        "together {}, by the prices of {}",
        usd(&report["total"]),
        report["prices"]["source"].as_str().unwrap_or_default()
    ));
    Ok(())
}

fn row(keys: &[&str], line: &Value) -> Vec<String> {
    let key = |key: &&str| match &line[*key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => format!("v{number}"),
        _ => String::new(),
    };
    let seconds = line["compute_s"].as_f64().unwrap_or(0.0);
    let compute = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let mut cells: Vec<String> = keys.iter().map(key).collect();
    cells.extend([
        line["runs"].to_string(),
        when::span(compute),
        format!("{:.1} GiB s", line["memory_gib_s"].as_f64().unwrap_or(0.0)),
        usd(line),
    ]);
    cells
}

fn usd(line: &Value) -> String {
    Usd(line["usd"].as_f64().unwrap_or(0.0)).to_string()
}
