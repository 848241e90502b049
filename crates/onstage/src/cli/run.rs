//! `onstage run`: one prediction, with its waiting explained, shown as its type wants to be shown.
//! Does not know how inputs are typed (`typed`) or outputs drawn (`render`).

mod ask;
mod rerun;
mod show;

pub(super) use ask::fill;
pub(super) use rerun::command as rerun;

use super::{caller::Caller, exit::Failure, interrupt::Interrupt, out, print, push::words, typed};
use crate::client::Client;
use onstage_core::{Error, Result};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Ask a model for one prediction
///
/// Inputs are written as `key=value`, typed by the model's schema; `key=@file` sends a file (or, for a text input, the
/// text in it); `key:=json` is taken as JSON as it stands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age`, `lab/age`, or one version of it, `age@v3` or `age@staging`
    #[arg(value_name = "MODEL")]
    model: String,
    /// The inputs: `x=3` is read as the model's schema says, `photo=@fish.jpg` sends a file, `tags:='["a", "b"]'` is JSON
    #[arg(value_name = "KEY=VALUE")]
    inputs: Vec<String>,
    /// Return at once with the prediction's id
    #[arg(long = "async", conflicts_with = "wait")]
    detached: bool,
    /// Wait at most so many seconds, then return with the id
    #[arg(long, value_name = "SECONDS")]
    wait: Option<f64>,
    /// Write the output to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let patience = ask::Patience::of(args.detached, args.wait)?;
    if let Some(out) = &args.out {
        out::checked(&caller.path(out))?;
    }
    let client = caller.client()?;
    let asked = Asked::find(&client, &args.model).await?;
    let typed = typed::inputs(&args.inputs, &asked.schemas)?;
    let interrupt = Interrupt::default();
    let work = async {
        let input = fill(caller, &client, typed).await?;
        let record = ask::predict(caller, &client, &asked, input, patience, &interrupt).await?;
        // Also of one that was quicker than its answer: who asked for an id gets one.
        if args.detached && !caller.json {
            return tell_unfinished(&record);
        }
        show::record(caller, &client, &asked, &record, args.out.as_deref()).await
    };
    interrupt.or(work).await
}

/// Shows the result of a prediction that was asked for before.
pub(super) async fn result(
    caller: &Caller,
    client: &Client,
    record: &Value,
    out: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let version = format!("{}@v{}", words(record, "model"), record["version_number"]);
    let mut asked = Asked::find(client, &version).await?;
    // Nothing of it was printed yet.
    asked.streams = false;
    show::record(caller, client, &asked, record, out).await
}

/// The model and version that are asked.
pub(in crate::cli) struct Asked {
    /// `owner/name`.
    model: String,
    /// One version's id, when one was named.
    version: Option<String>,
    pub(in crate::cli) schemas: Map<String, Value>,
    /// The output comes in pieces.
    streams: bool,
    /// It is a job for a task, not for this server's workers.
    background: bool,
}

impl Asked {
    pub(in crate::cli) async fn find(client: &Client, name: &str) -> Result<Self> {
        let (name, version) = name
            .split_once('@')
            .map_or((name, None), |(name, version)| (name, Some(version)));
        let model = client.model(name).await?;
        let full = crate::client::full_name(&model);
        let version = match version {
            Some(version) => {
                client
                    .get(&format!("/v1/models/{full}/versions/{version}"))
                    .await?
            }
            None => match &model["latest_version"] {
                Value::Null => return Err(no_version(client, &full).await),
                live => live.clone(),
            },
        };
        let schemas = [
            "/schema/components/schemas",
            "/openapi_schema/components/schemas",
        ]
        .iter()
        .find_map(|path| version.pointer(path)?.as_object().cloned())
        .unwrap_or_default();
        let is = |what: &str| {
            version
                .pointer(what)
                .and_then(Value::as_bool)
                .unwrap_or(false)
        };
        Ok(Self {
            streams: is("/schema/streams"),
            background: is("/schema/background"),
            version: name_was_version(&model, &version),
            model: full,
            schemas,
        })
    }
}

/// The version's id, unless it is the live one anyway.
fn name_was_version(model: &Value, version: &Value) -> Option<String> {
    let live = words(&model["latest_version"], "id");
    Some(words(version, "id").to_owned()).filter(|id| id != live)
}

async fn no_version(client: &Client, model: &str) -> Error {
    let error = Error::conflict(format!("model `{model}` has no live version"));
    let newest = client
        .list(&format!("/v1/models/{model}/versions?limit=1"), 1)
        .await;
    match newest.ok().and_then(|versions| versions.into_iter().next()) {
        Some(version) if version["state"] == "building" => error
            .hint("its first version is still being built; `onstage versions` shows how far it is"),
        Some(version) if version["state"] == "failed" => error.hint(format!(
            "its version {} failed; `onstage logs {model}` shows why",
            words(&version, "name")
        )),
        Some(version) => error.hint(format!(
            "make one live with `onstage promote {model} {}`",
            words(&version, "name")
        )),
        None => error.hint("push one with `onstage push`"),
    }
}

/// How to come back to a prediction that goes on without us.
fn going_on(id: &str) -> String {
    format!(
        "the prediction goes on; see it with `onstage jobs show {id}`, fetch its output with `onstage jobs result {id}`"
    )
}

fn tell_unfinished(record: &Value) -> Result<(), Failure> {
    let id = words(record, "id");
    print::say(&going_on(id));
    print::line(id)
}
