//! `onstage data put`: a file, or a folder as a tar, becomes the next version; large ones go in parts and survive cuts.
//! Does not look into it.

use crate::cli::{
    bars::Bar, caller::Caller, exit::Failure, interrupt::Interrupt, print, push::words,
};
use crate::client::Sending;
use onstage_backends::archive;
use onstage_core::{
    Error, Result,
    dataset::{DatasetFormat, DatasetName},
};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

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
    let found = Found::of(&given).await?;
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

/// The file to send; of a folder, its archive, which is removed when dropped.
struct Found {
    given: PathBuf,
    packed: Option<TempPath>,
    name: String,
}

impl Found {
    async fn of(given: &Path) -> Result<Self> {
        let cannot = |error: std::io::Error| {
            Error::invalid(format!("`{}` cannot be read", given.display())).because(error)
        };
        let is_folder = std::fs::metadata(given).map_err(cannot)?.is_dir();
        let whole = given.canonicalize().map_err(cannot)?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        if !is_folder {
            return Ok(Self {
                given: given.to_owned(),
                packed: None,
                name: name.into_owned(),
            });
        }
        let mut bar = Bar::spinner();
        bar.text("packing the folder");
        let folder = given.to_owned();
        let packing = tokio::task::spawn_blocking(move || {
            let file = tempfile::NamedTempFile::new().map_err(|error| {
                Error::unavailable("the temporary folder cannot be written").because(error)
            })?;
            let handle = file.reopen().map_err(|error| {
                Error::unavailable("the temporary folder cannot be written").because(error)
            })?;
            archive::pack(&folder, handle)?;
            Ok(file.into_temp_path())
        });
        let packed = packing.await;
        bar.end();
        let packed: Result<TempPath> =
            packed.map_err(|error| Error::internal("packing broke off").because(error))?;
        Ok(Self {
            given: given.to_owned(),
            packed: Some(packed?),
            name: format!("{name}.tar"),
        })
    }

    fn path(&self) -> &Path {
        self.packed.as_deref().unwrap_or(&self.given)
    }
}
