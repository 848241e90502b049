//! `onstage jobs`: the durable work of all kinds, listed, shown, cancelled and tried again.
//! Does not submit any.

use super::{batch, caller::Caller, exit::Failure, out, print, push::words, run, when};
use crate::client::Client;
use clap::builder::{PossibleValue, PossibleValuesParser};
use onstage_core::{Error, Kind, Result, batch::TableFormat, usage::Usd};
use serde_json::{Value, json};
use std::path::PathBuf;

/// List, show, cancel and retry jobs
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
    /// List jobs, newest first
    Ls(List),
    /// Show one job or prediction
    Show(One),
    /// Fetch the result of a batch job, the output of a prediction, or the weights of a training
    Result(Fetch),
    /// Ask a job or prediction to stop
    Cancel(One),
    /// Run a job again (of a batch job, its failed rows; a training from its last checkpoint)
    Retry(One),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only of this kind
    #[arg(long, value_parser = ["prediction", "batch", "training"])]
    kind: Option<String>,
    /// Only those that stand so
    #[arg(long, value_parser = PossibleValuesParser::new(statuses()))]
    status: Option<String>,
    /// Only of this model
    #[arg(long)]
    model: Option<String>,
    /// Only those that failed and are not repeated any more
    #[arg(long)]
    dead: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// The words of the store, and those of the API for the same.
fn statuses() -> [PossibleValue; 5] {
    [
        PossibleValue::new("queued").alias("starting"),
        PossibleValue::new("running").alias("processing"),
        PossibleValue::new("succeeded"),
        PossibleValue::new("failed"),
        PossibleValue::new("canceled"),
    ]
}

#[derive(Debug, clap::Args)]
struct One {
    /// The job's id
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Debug, clap::Args)]
struct Fetch {
    /// The job's or prediction's id
    #[arg(value_name = "ID")]
    id: String,
    /// Where to write it (default: a batch job's result beside where you stand, a prediction's output to standard output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    match args.verb {
        Some(Verb::Result(args)) => fetch(caller, &client, &args).await,
        None => list(caller, &client, &args.list).await,
        Some(Verb::Ls(args)) => list(caller, &client, &args).await,
        Some(Verb::Show(One { id })) => {
            let record = find(&client, &id).await?.1;
            if caller.json {
                print::json(&record)
            } else {
                show(caller, &record)
            }
        }
        Some(Verb::Cancel(One { id })) => {
            let (path, _) = find(&client, &id).await?;
            let record = client.post(&format!("{path}/cancel"), &json!({})).await?;
            told(caller, &record)
        }
        Some(Verb::Retry(One { id })) => {
            let (path, _) = find(&client, &id).await?;
            let body = if path.starts_with("/v1/batches/") {
                json!({"only": "failed"})
            } else {
                json!({})
            };
            let path = path.replace("/v1/predictions/", "/v1/jobs/");
            let record = client.post(&format!("{path}/retry"), &body).await?;
            told(caller, &record)
        }
    }
}

async fn fetch(caller: &Caller, client: &Client, args: &Fetch) -> Result<(), Failure> {
    let out = args.out.as_deref().map(|out| caller.path(out));
    out.as_deref().map(out::checked).transpose()?;
    let (path, record) = find(client, &args.id).await?;
    if !is_final(&record) {
        return Err(Error::conflict(format!(
            "job `{}` has no result yet: it is {}",
            args.id,
            state(&record)
        ))
        .hint(format!(
            "see how far it is with `onstage jobs show {}`",
            args.id
        ))
        .into());
    }
    if path.starts_with("/v1/trainings/") {
        return weights(caller, client, &record, out).await;
    }
    if !path.starts_with("/v1/batches/") {
        return run::result(caller, client, &record, out.as_deref()).await;
    }
    let table = PathBuf::from(words(&record["table"], "name"));
    if let Some(out) = &out {
        let kind = table.to_str().and_then(TableFormat::of_file_name);
        out::of_kind(out, kind)?;
    }
    let out = out.unwrap_or_else(|| out::for_table(&caller.folder, &table));
    batch::end(caller, client, &record, &out).await
}

/// What a training learnt, as a file beside where you stand.
async fn weights(
    caller: &Caller,
    client: &Client,
    record: &Value,
    out: Option<PathBuf>,
) -> Result<(), Failure> {
    let Some(from) = record["output"]["weights"].as_str() else {
        let text = format!("training `{}` has left no weights", words(record, "id"));
        return Err(Error::conflict(text).into());
    };
    let name = format!("{}.weights", words(record, "id"));
    let out = out.unwrap_or_else(|| caller.folder.join(name));
    let silent = std::sync::Arc::new(|_| {});
    client.download(from, &out, silent).await?;
    print::line(&out.display().to_string())
}

async fn list(caller: &Caller, client: &Client, args: &List) -> Result<(), Failure> {
    let mut path = format!("/v1/jobs?limit={}", args.limit.min(200));
    for (key, value) in [("kind", &args.kind), ("status", &args.status)] {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={value}"));
        }
    }
    if args.dead {
        path.push_str("&dead=true");
    }
    if let Some(model) = &args.model {
        let model = crate::client::full_name(&client.model(model).await?);
        path.push_str(&format!("&model={model}"));
    }
    let jobs = client.list(&path, args.limit as usize).await?;
    if caller.json {
        return print::json_list(&jobs);
    }
    if jobs.is_empty() {
        print::say("no jobs");
        return Ok(());
    }
    let rows = jobs.iter().map(|job| row(caller, job)).collect();
    print::table(&["id", "kind", "model", "status", "made", "progress"], rows)
}

fn row(caller: &Caller, job: &Value) -> Vec<String> {
    let version = job["version_number"]
        .as_u64()
        .map_or(String::new(), |n| format!(" v{n}"));
    vec![
        words(job, "id").to_owned(),
        words(job, "kind").to_owned(),
        format!("{}{version}", words(job, "model")),
        state(job),
        when::ago(&job["created_at"], caller.now()),
        match is_final(job) {
            true => String::new(),
            false => progress(&job["progress"]),
        },
    ]
}

/// `failed: exception`, `processing: loading`.
fn state(job: &Value) -> String {
    let (status, phase, reason) = (
        words(job, "status"),
        words(job, "phase"),
        words(job, "reason"),
    );
    match (status, phase, reason) {
        ("failed", _, reason) if !reason.is_empty() => format!("failed: {reason}"),
        ("starting" | "processing", phase, _) if !phase.is_empty() => phase.to_owned(),
        _ => status.to_owned(),
    }
}

fn counts(counts: &Value) -> String {
    let Some(done) = counts["done"].as_u64() else {
        return String::new();
    };
    let failed = counts["failed"].as_u64().unwrap_or(0);
    let total = counts["total"]
        .as_u64()
        .map_or(String::new(), |total| format!("/{total}"));
    let failed_text = if failed > 0 {
        format!(", {failed} failed")
    } else {
        String::new()
    };
    format!("{done}{total}{failed_text}")
}

/// How to get what does not fit on the screen.
fn result_command(record: &Value) -> String {
    let is_batch = record["counts"].is_object();
    let cut = compact(&record["output"]).ends_with('…');
    if words(record, "status") == "succeeded" && (is_batch || cut) {
        format!("onstage jobs result {}", words(record, "id"))
    } else {
        String::new()
    }
}

/// Where a record of any kind lies, and the record.
pub(super) async fn find(client: &Client, id: &str) -> Result<(String, Value)> {
    id.parse::<onstage_core::Id>()?;
    for kind in ["predictions", "batches", "trainings", "jobs"] {
        let path = format!("/v1/{kind}/{id}");
        match client.get(&path).await {
            Ok(record) => return Ok((path, record)),
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(
        Error::not_found(format!("there is no job or prediction `{id}`"))
            .hint("`onstage jobs` lists the jobs"),
    )
}

fn show(caller: &Caller, record: &Value) -> Result<(), Failure> {
    for (label, value) in [
        ("id", words(record, "id").to_owned()),
        ("model", row(caller, record)[2].clone()),
        ("status", state(record)),
        ("made", when::ago(&record["created_at"], caller.now())),
        (
            "waited",
            between(&record["created_at"], &record["started_at"]),
        ),
        (
            "took",
            between(&record["started_at"], &record["completed_at"]),
        ),
        ("rows", counts(&record["counts"])),
        ("progress", row(caller, record)[5].clone()),
        ("waiting", words(&record["queue"], "text").to_owned()),
        ("input", compact(&record["input"])),
        ("output", compact(&record["output"])),
        ("result", result_command(record)),
        ("error", words(record, "error").to_owned()),
        ("again", run::rerun(record).unwrap_or_default()),
    ] {
        if !value.is_empty() {
            print::line(&format!("{label:<9} {value}"))?;
        }
    }
    if let Some(traceback) = record["traceback"].as_str() {
        print::line(traceback.trim_end())?;
    }
    Ok(())
}

pub(super) fn is_final(record: &Value) -> bool {
    matches!(words(record, "status"), "succeeded" | "failed" | "canceled")
}

/// How long it was from one time to another, where both are known.
fn between(from: &Value, to: &Value) -> String {
    let time = |value: &Value| value.as_str().and_then(when::parse);
    match (time(from), time(to)) {
        (Some(from), Some(to)) => when::span(to.since(from)),
        _ => String::new(),
    }
}

fn progress(progress: &Value) -> String {
    match (progress["done"].as_f64(), progress["total"].as_f64()) {
        (Some(done), Some(total)) => {
            let cost = match progress["cost_usd"].as_f64() {
                Some(cost) => format!(", {} so far", Usd(cost)),
                None => String::new(),
            };
            format!("{done} of {total} {}{cost}", words(progress, "text"))
        }
        (Some(done), None) => format!("{done} {}", words(progress, "text")),
        _ => String::new(),
    }
}

fn compact(value: &Value) -> String {
    if value.is_null() {
        String::new()
    } else {
        print::short(&value.to_string(), 400)
    }
}

fn told(caller: &Caller, record: &Value) -> Result<(), Failure> {
    if caller.json {
        return print::json(record);
    }
    print::say(&format!("{}: {}", words(record, "id"), state(record)));
    print::line(words(record, "id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_counts_read_well() {
        assert_eq!(
            state(&json!({"status": "failed", "phase": "done", "reason": "exception"})),
            "failed: exception"
        );
        assert_eq!(
            state(&json!({"status": "processing", "phase": "loading"})),
            "loading"
        );
        assert_eq!(
            state(&json!({"status": "succeeded", "phase": "done", "reason": "ok"})),
            "succeeded"
        );
        assert_eq!(
            counts(&json!({"total": 10, "done": 6, "failed": 1})),
            "6/10, 1 failed"
        );
        assert_eq!(counts(&Value::Null), "");
    }
}
