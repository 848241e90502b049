//! `onstage data put`: a file, or a folder as a tar, becomes the next version; large ones go in parts and survive cuts.
//! Does not look into it.

use crate::cli::{
    bars::Bar, caller::Caller, exit::Failure, interrupt::Interrupt, packed::Packed, print,
    push::words,
};
use crate::client::Sending;
use onstage_core::dataset::{DatasetFormat, DatasetName};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The dataset's name
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: DatasetName,
    /// The file or folder
    #[arg(value_name = "FILE|FOLDER")]
    file: PathBuf,
    /// What the file is, where its name does not say
    #[arg(long, value_parser = DatasetFormat::ALL.map(DatasetFormat::name))]
    format: Option<String>,
    /// Go on with an upload that was cut off
    #[arg(long, value_name = "ID")]
    resume: Option<String>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let given = caller.path(&args.file);
    let found = Packed::of(&given).await?;
    let size = std::fs::metadata(found.path()).map_or(0, |facts| facts.len());
    let dataset = args.name.to_string();
    let sending = Sending {
        file: found.path(),
        name: &found.name,
        dataset: &dataset,
        format: args.format.as_deref(),
    };
    let interrupt = Interrupt::default();
    let bar = Bar::bytes(size, "uploading");
    let how_to_go_on = std::cell::OnceCell::new();
    let begun = |id: &str| {
        let file = print::word(&args.file.display().to_string());
        let how = how_to_go_on.get_or_init(|| {
            format!("what came stays for a day; go on with `onstage data put {dataset} {file} --resume {id}`")
        });
        interrupt.says(how.clone());
    };
    let work = async {
        let say = |text: &str| bar.line(text);
        client
            .put_dataset(&sending, args.resume.as_deref(), bar.moved(), begun, &say)
            .await
            .map_err(Failure::from)
    };
    let version = interrupt.or(work).await;
    bar.end();
    if let (Err(Failure::Error(_)), Some(how)) = (&version, how_to_go_on.get()) {
        print::say(how);
    }
    let version = version?;
    if caller.json {
        return print::json(&version);
    }
    print::line(words(&version, "reference"))
}
