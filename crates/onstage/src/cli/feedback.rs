//! `onstage feedback`: what people said about predictions, as a list, CSV or JSON, or as a version of a dataset.
//! Gives no feedback itself.

use super::{caller::Caller, exit::Failure, print, push::words, when};
use serde_json::{Value, json};

const SHOWN_MAX: usize = 10_000;

/// Show what people said about predictions
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make inputs, outputs and corrections a new version of a dataset
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The model: `age` or `lab/age`
    #[arg(value_name = "MODEL")]
    model: String,
    /// The dataset that gets the version
    #[arg(long, value_name = "NAME")]
    dataset: String,
    /// Only newer than an age (`7d`) or day (`2026-05-01`)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Rows to train with: the inputs, and in this column what was corrected or found right
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// How it is written
    #[arg(long, default_value = "jsonl", value_parser = ["jsonl", "csv"])]
    format: String,
}

#[derive(Debug, clap::Args)]
struct List {
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
    match args.verb {
        Some(Verb::Export(args)) => export(caller, &args).await,
        None => list(caller, &args.list).await,
    }
}

async fn export(caller: &Caller, args: &Export) -> Result<(), Failure> {
    let client = caller.client()?;
    let model = crate::client::full_name(&client.model(&args.model).await?);
    let since = args.since.as_deref();
    let since = since
        .map(|since| when::since(since, caller.now()))
        .transpose()?;
    let wish = json!({
        "model": model,
        "dataset": args.dataset,
        "format": args.format,
        "target": args.target,
        "since": since,
    });
    let version = client.post("/v1/feedback/export", &wish).await?;
    if caller.json {
        return print::json(&version);
    }
    print::line(words(&version, "reference"))
}

async fn list(caller: &Caller, args: &List) -> Result<(), Failure> {
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
