//! `onstage backup`: the embedded store and its blobs into a folder of backups, while the server works.
//! Calls no server; reads the same settings as `serve`.

use super::{caller::Caller, exit::Failure, print};
use crate::{serve, settings::Settings};
use serde_json::json;
use std::path::PathBuf;

/// Back the store and its blobs up, while the server works
///
/// Makes a folder, named by the time, in DEST. Blobs that an earlier backup there has are linked, not copied. Every file is in
/// `manifest.json` with its digest. For a store on a database server use that server's own backup.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of backups, best on another disk
    #[arg(value_name = "DEST")]
    place: PathBuf,
    /// The settings file (or ONSTAGE_CONFIG; default `server.toml` in the data folder)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let settings = Settings::of(&caller.layers(None, args.config)?)?;
    // Sorts by time, and is a file name everywhere.
    let name = super::when::utc(caller.now()).replace(':', "-");
    let made = serve::back_up(&settings, &caller.path(&args.place), &name).await?;
    if caller.json {
        let facts = json!({"folder": made.folder, "files": made.files, "bytes": made.bytes, "new_bytes": made.new_bytes});
        return print::json(&facts);
    }
    print::line(&format!(
        "{} files, {} ({} new), are in {}",
        made.files,
        print::size(made.bytes),
        print::size(made.new_bytes),
        made.folder.display()
    ))
}
