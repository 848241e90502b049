//! `onstage restore`: a backup becomes a data folder, after everything in it was checked.
//! Calls no server, and never writes into a folder that holds anything.

use super::{caller::Caller, exit::Failure, print};
use crate::{serve, settings::Settings};
use serde_json::json;
use std::path::PathBuf;

/// Make a data folder out of a backup
///
/// SRC is one backup, or a folder of them, of which the newest is taken. Digests of all files, the database and every reference to
/// a blob are checked. The data folder (`--data DIR`) must be empty or not there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One backup, or a folder of backups
    #[arg(value_name = "SRC")]
    from: PathBuf,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let settings = Settings::of(&caller.layers(None, None)?)?;
    let made = serve::restore(&settings, &caller.path(&args.from)).await?;
    if caller.json {
        let facts = json!({"from": made.folder, "data": settings.data, "files": made.files, "bytes": made.bytes});
        return print::json(&facts);
    }
    print::say(
        "a server on it does all that the original does, schedules and webhooks included: stop the original first",
    );
    print::line(&format!(
        "{} files, {}, of {} are checked and in {}",
        made.files,
        print::size(made.bytes),
        made.folder.display(),
        settings.data.display()
    ))
}
