//! `onstage data get`: a version's file as it was uploaded.
//! Does not unpack it.

use crate::cli::{bars::Bar, caller::Caller, exit::Failure, out, print, push::words};
use onstage_core::{Error, dataset::DatasetRef};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The dataset: `labels` for its newest version, or `labels@v3`
    #[arg(value_name = "NAME[@vN]", value_parser = super::reference)]
    dataset: DatasetRef,
    /// Where to write it (default: here, under the name it was uploaded with)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(caller: &Caller, args: &Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let version = client.get(&super::path(&args.dataset)).await?;
    let to = match &args.out {
        Some(out) => caller.path(out),
        None => caller.folder.join(own_name(words(&version, "name"))),
    };
    if args.out.is_none() && to.exists() {
        return Err(
            Error::conflict(format!("file `{}` is there already", to.display()))
                .hint("name another file with `--out`")
                .into(),
        );
    }
    out::checked(&to)?;
    let bar = Bar::bytes(version["size"].as_u64().unwrap_or_default(), "fetching");
    // By its number: a newer version may have come meanwhile.
    let path = format!(
        "/v1/datasets/{}/versions/{}/content",
        args.dataset.name, version["version"]
    );
    let got = client.download(&path, &to, bar.moved()).await;
    bar.end();
    got?;
    if caller.json {
        return print::json(&version);
    }
    print::line(&to.display().to_string())
}

/// The server's word is a name, never a path.
fn own_name(name: &str) -> &str {
    match name.rsplit(['/', '\\']).next() {
        None | Some("" | "." | "..") => "dataset",
        Some(name) => name,
    }
}
