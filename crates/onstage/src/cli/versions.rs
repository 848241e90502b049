//! `onstage versions`: the versions of a model, newest first.
//! Changes nothing.

use super::{caller::Caller, exit::Failure, print, push::words, when};
use serde_json::Value;

const VERSIONS_MAX: usize = 1_000;

/// List the versions of a model
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age` or `lab/age`
    #[arg(value_name = "MODEL")]
    model: String,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let model = crate::client::full_name(&client.model(&args.model).await?);
    let versions = client
        .list(
            &format!("/v1/models/{model}/versions?limit=200"),
            VERSIONS_MAX,
        )
        .await?;
    if caller.json {
        return print::json_list(&versions);
    }
    let rows = versions
        .iter()
        .map(|version| {
            let live = version["live"].as_bool().unwrap_or(false);
            vec![
                words(version, "name").to_owned(),
                match version["withdrawn"]["why"].as_str() {
                    _ if live => "live",
                    Some(_) => "withdrawn",
                    None => words(version, "state"),
                }
                .to_owned(),
                when::ago(&version["created_at"], caller.now()),
                words(version, "id").chars().take(12).collect(),
                aliases(version),
                what(version),
            ]
        })
        .collect();
    print::table(&["version", "state", "made", "id", "aliases", ""], rows)
}

fn aliases(version: &Value) -> String {
    let aliases = version["aliases"].as_array();
    let names = aliases.into_iter().flatten().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}

/// Why it failed or was withdrawn, or what is happening.
fn what(version: &Value) -> String {
    let why = &version["withdrawn"]["why"];
    let text = match version["error"]["message"].as_str().or(why.as_str()) {
        Some(message) => message,
        None if version["state"] == "building" => words(version, "text"),
        None => "",
    };
    print::short(text, 80)
}
