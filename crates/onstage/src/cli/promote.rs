//! `onstage promote`: makes a version live.
//! Does not build it.

use super::{caller::Caller, exit::Failure, print};
use serde_json::{Value, json};

/// Make a version live: the one that answers
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age` or `lab/age`
    #[arg(value_name = "MODEL")]
    model: String,
    /// The version: `v3`, `3`, the start of its id, or an alias
    #[arg(value_name = "VERSION")]
    version: String,
    /// What a metric of a trained version must reach, like `accuracy>=0.95` (again for each)
    #[arg(long = "gate", value_name = "GATE")]
    gates: Vec<String>,
    /// Make it live whatever the gates say
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let name = crate::client::full_name(&client.model(&args.model).await?);
    let path = format!("/v1/models/{name}/versions/{}/promote", args.version);
    let wish = json!({"gates": args.gates, "force": args.force});
    let model = client.post(&path, &wish).await?;
    tell(caller, &name, &model)
}

/// Says which version answers from now on.
pub(super) fn tell(caller: &Caller, name: &str, model: &Value) -> Result<(), Failure> {
    if caller.json {
        return print::json(model);
    }
    let live = model["live_version_number"]
        .as_u64()
        .map_or_else(|| "-".to_owned(), |n| format!("v{n}"));
    print::say(&format!("{name} {live} is live"));
    print::line(&format!("{name} {live}"))
}
