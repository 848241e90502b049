//! `onstage data rm`: one version, or all when that is said.
//! Does not remove what a job needs: the server refuses.

use crate::cli::{caller::Caller, exit::Failure, print};
use onstage_core::{Error, dataset::DatasetRef};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The version: `labels@v3`; with `--all` the dataset: `labels`
    #[arg(value_name = "NAME@vN", value_parser = super::reference)]
    dataset: DatasetRef,
    /// Remove every version
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(caller: &Caller, args: &Args) -> Result<(), Failure> {
    let which = &args.dataset;
    let path = match (which.number, args.all) {
        (Some(_), false) => super::path(which),
        (None, true) => format!("/v1/datasets/{}", which.name),
        (None, false) => {
            let error = Error::invalid(format!("`{which}` names no version"));
            let hint = format!("write `{which}@v1`, or remove all versions with `--all`");
            return Err(error.hint(hint).into());
        }
        (Some(_), true) => {
            let error =
                Error::invalid(format!("`--all` goes with the dataset, not with `{which}`"));
            return Err(error.hint(format!("write `{} --all`", which.name)).into());
        }
    };
    caller.client()?.delete(&path).await?;
    if caller.json {
        return print::json(&json!({"removed": which.to_string()}));
    }
    print::say(&format!("{which} is removed"));
    Ok(())
}
