//! `onstage data`: datasets brought to the server, listed, looked into, fetched and removed.
//! Does not read tables itself.

mod get;
mod ls;
mod put;
mod rm;
mod show;

use super::{caller::Caller, exit::Failure};
use onstage_core::dataset::{DatasetName, DatasetRef};

/// Bring datasets to the server, list, show, fetch and remove them
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add a file, or a folder as one archive, as a new version
    Put(put::Args),
    /// List datasets, or the versions of one
    Ls(ls::Args),
    /// Show the columns and first rows of a table
    Show(show::Args),
    /// Fetch a version's file
    Get(get::Args),
    /// Remove a version, or with `--all` all of them
    Rm(rm::Args),
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    match args.verb {
        Verb::Put(args) => put::run(caller, args).await,
        Verb::Ls(args) => ls::run(caller, &args).await,
        Verb::Show(args) => show::run(caller, &args).await,
        Verb::Get(args) => get::run(caller, &args).await,
        Verb::Rm(args) => rm::run(caller, &args).await,
    }
}

/// For the command line: the error's text, with what to do about it.
fn reference(text: &str) -> Result<DatasetRef, String> {
    text.parse().map_err(told)
}

fn name(text: &str) -> Result<DatasetName, String> {
    text.parse().map_err(told)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over")]
fn told(error: onstage_core::Error) -> String {
    match &error.hint {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// A version's path in the API.
pub(super) fn path(which: &DatasetRef) -> String {
    let version = which
        .number
        .map_or_else(|| "newest".to_owned(), |number| number.to_string());
    format!("/v1/datasets/{}/versions/{version}", which.name)
}
