//! `onstage feedback`: what people said about predictions, as a list, CSV or JSON.
//! Gives no feedback itself.

use super::{caller::Caller, exit::Failure, print, push::words, when};
use serde_json::Value;

const SHOWN_MAX: usize = 10_000;

/// Show what people said about predictions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only about this model
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Only newer than an age (`7d`) or day (`2026-05-01`)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let mut path = "/v1/feedback?limit=200".to_owned();
    if let Some(model) = &args.model {
        path.push_str(&format!(
            "&model={}",
            crate::client::full_name(&client.model(model).await?)
        ));
    }
    if let Some(since) = &args.since {
        path.push_str(&format!("&since={}", when::since(since, caller.now())?));
    }
    if args.csv {
        let text = client.get_text(&format!("{path}&format=csv")).await?;
        return print::bytes(text.as_bytes());
    }
    let feedback = client.list(&path, SHOWN_MAX).await?;
    if caller.json {
        return print::json_list(&feedback);
    }
    if feedback.is_empty() {
        print::say("no feedback yet");
        return Ok(());
    }
    let rows = feedback.iter().map(|one| row(caller, one)).collect();
    print::table(
        &[
            "when",
            "model",
            "",
            "reason",
            "comment",
            "correction",
            "prediction",
        ],
        rows,
    )
}

fn row(caller: &Caller, one: &Value) -> Vec<String> {
    let thumb = match one["rating"].as_i64() {
        Some(1) => "👍",
        Some(-1) => "👎",
        _ => "",
    };
    let correction = match &one["correction"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    vec![
        when::ago(&one["created_at"], caller.now()),
        format!("{} v{}", words(one, "model"), one["version_number"]),
        thumb.to_owned(),
        words(one, "reason").to_owned(),
        print::short(words(one, "comment"), 60),
        print::short(&correction, 30),
        words(one, "prediction").to_owned(),
    ]
}
