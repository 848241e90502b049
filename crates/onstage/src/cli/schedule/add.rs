//! `onstage schedule add`: a schedule out of what `run`, `batch` and `train` are given.
//! Does not know how inputs are typed (`typed`).

use super::show;
use crate::{
    cli::{
        bars::Bar,
        caller::Caller,
        exit::Failure,
        push::words,
        run::{Asked, fill},
        train::Trainer,
        typed,
    },
    client::Client,
};
use onstage_core::{Error, Result, dataset::DatasetRef};
use serde_json::{Value, json};
use std::path::Path;

/// Make a schedule
///
/// Without `--table` and `--train`, each tick makes a prediction of the inputs. `@daily`, `@hourly` and their kind are cron
/// expressions too.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age`, `lab/age`, or one version of it, `age@staging`, looked up at every tick
    #[arg(value_name = "MODEL")]
    model: String,
    /// The inputs, written as for `onstage run` and `onstage train`
    #[arg(value_name = "KEY=VALUE")]
    inputs: Vec<String>,
    /// Minute, hour, day, month and weekday: `30 6 * * mon-fri`
    #[arg(
        long,
        value_name = "EXPRESSION",
        required_unless_present = "every",
        conflicts_with = "every"
    )]
    cron: Option<String>,
    /// Whose clocks those are: `Europe/Zurich` (default: UTC)
    #[arg(long, value_name = "TIMEZONE", requires = "cron")]
    zone: Option<String>,
    /// The time from tick to tick: `1h`, `7d`
    #[arg(long, value_name = "SPAN")]
    every: Option<String>,
    /// A batch job over this table: a dataset, of which each tick takes the newest version (`labels`, `labels@v3`), or a file (`@fish.csv`)
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["train", "inputs"])]
    table: Option<String>,
    /// A training
    #[arg(long)]
    train: bool,
    /// Make the version that a training made live when it is ready and reaches its gates
    #[arg(long, requires = "train")]
    promote: bool,
    /// What a metric must reach before that, like `accuracy>=0.95` (again for each)
    #[arg(long = "gate", value_name = "GATE", requires = "train")]
    gates: Vec<String>,
    /// Do not make up for ticks that came while no server ran
    #[arg(long)]
    no_catch_up: bool,
    /// What happens while the job of the tick before still runs
    #[arg(long, value_parser = ["skip", "queue"], default_value = "skip")]
    overlap: String,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let (name, version) = match args.model.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (&*args.model, None),
    };
    let model = crate::client::full_name(&client.model(name).await?);
    let (kind, request) = request(caller, &client, &args).await?;
    let wish = json!({
        "model": model,
        "version": version,
        "kind": kind,
        "request": request,
        "cron": args.cron,
        "timezone": args.zone,
        "every": args.every,
        "catch_up": !args.no_catch_up,
        "overlap": args.overlap,
    });
    show::one(caller, &client.post("/v1/schedules", &wish).await?)
}

async fn request(
    caller: &Caller,
    client: &Client,
    args: &Args,
) -> Result<(&'static str, Value), Failure> {
    if let Some(table) = &args.table {
        return Ok(("batch", table_of(caller, client, table).await?));
    }
    let schemas = match args.train {
        true => Trainer::find(client, &args.model).await?.schemas,
        false => Asked::find(client, &args.model).await?.schemas,
    };
    let input = fill(caller, client, typed::inputs(&args.inputs, &schemas)?).await?;
    Ok(match args.train {
        true => {
            let more = json!({"input": input, "promote": args.promote, "gates": args.gates});
            ("training", more)
        }
        false => ("prediction", json!({"input": input})),
    })
}

async fn table_of(caller: &Caller, client: &Client, table: &str) -> Result<Value> {
    let Some(file) = table.strip_prefix('@') else {
        let dataset: DatasetRef = table.parse().map_err(|error: Error| {
            error.hint("name a dataset, or a file as `--table @fish.csv`")
        })?;
        return Ok(json!({"table": format!("onstage://datasets/{dataset}")}));
    };
    let path = caller.path(Path::new(file));
    let size = std::fs::metadata(&path).map_err(|error| {
        Error::invalid(format!("table `{}` cannot be read", path.display())).because(error)
    })?;
    let bar = Bar::bytes(size.len(), "uploading");
    let uploaded = client.upload(&path, bar.moved()).await;
    bar.end();
    Ok(json!({"table": format!("onstage://files/{}", words(&uploaded?, "id"))}))
}
