//! `onstage check`: whether a model's folder is fit to be pushed, without a server.
//! Does not import the model; a push does, in the model's own environment.

use super::{caller::Caller, exit::Failure, folder::ModelFolder, print};
use onstage_backends::bundle;
use serde_json::json;
use std::path::PathBuf;

/// Look whether a model's folder is fit to be pushed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(caller: &Caller, args: &Args) -> Result<(), Failure> {
    let folder = ModelFolder::open(&caller.path(&args.folder))?;
    let model = folder.model(None, caller.owner())?;
    let examples = bundle::read_examples(&folder.path)?;
    let packed = folder.pack()?;
    if caller.json {
        return print::json(&json!({
            "model": model,
            "files": packed.files,
            "bytes": packed.unpacked_bytes,
            "packed_bytes": packed.size_bytes,
            "contents": packed.contents_digest,
            "examples": examples.iter().map(|example| &example.name).collect::<Vec<_>>(),
            "warnings": folder.config.without_effect(),
        }));
    }
    print::line(&format!(
        "{model}: {} files, {} ({} packed), examples: {}",
        packed.files,
        print::size(packed.unpacked_bytes),
        print::size(packed.size_bytes),
        examples.len()
    ))?;
    folder.tell_warnings();
    if examples.is_empty() {
        print::say("warning: there are no examples");
        print::say(
            "hint: a file `examples/first.json` with {\"input\": {…}} is tried on every push and fills the page's form",
        );
    }
    Ok(())
}
