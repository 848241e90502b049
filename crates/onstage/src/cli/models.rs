//! `onstage models`: the models of the installation with what answers and how ready it is.
//! Changes nothing.

use super::{caller::Caller, exit::Failure, print, push::words};
use serde_json::Value;

const MODELS_MAX: usize = 10_000;

/// List the models
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this one
    #[arg(value_name = "MODEL")]
    model: Option<String>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let models = match &args.model {
        Some(name) => vec![client.model(name).await?],
        None => client.list("/v1/models?limit=200", MODELS_MAX).await?,
    };
    if caller.json {
        return print::json_list(&models);
    }
    if models.is_empty() {
        print::say(
            "there are no models yet: `onstage new` makes one, `onstage push` brings it here",
        );
        return Ok(());
    }
    let rows = models.iter().map(row).collect();
    print::table(&["model", "live", "readiness", "runs", "title"], rows)
}

fn row(model: &Value) -> Vec<String> {
    let live = model["live_version_number"]
        .as_u64()
        .map_or_else(|| "-".to_owned(), |n| format!("v{n}"));
    let readiness = &model["readiness"];
    let state = match words(readiness, "text") {
        "" => words(readiness, "state"),
        text => text,
    };
    vec![
        crate::client::full_name(model),
        live,
        state.to_owned(),
        model["run_count"].as_u64().unwrap_or(0).to_string(),
        words(model, "title").to_owned(),
    ]
}
