//! `onstage push`: packs a model's folder, uploads it and follows the build until it is ready or has failed.
//! Does not build anything itself.

mod build;
mod template;

pub(super) use build::{built, gained};

use super::{
    bars::Bar, caller::Caller, exit::Failure, folder::ModelFolder, interrupt::Interrupt, print,
};
use crate::client::Client;
use onstage_core::{ModelName, Result};
use serde_json::Value;
use std::path::PathBuf;

/// Bring a model's folder to the server as a new version
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Push under another name than `onstage.toml` says
    #[arg(long)]
    name: Option<String>,
    /// Push a template with a config instead of a folder, under `--name`: `tabular-torch`
    #[arg(long, requires_all = ["config", "name"], conflicts_with = "folder")]
    template: Option<String>,
    /// The template's config, a JSON file
    #[arg(long, value_name = "FILE", requires = "template")]
    config: Option<PathBuf>,
    /// Leave the live version as it is when the new one is ready
    #[arg(long)]
    no_promote: bool,
    /// Return when the server has the folder, without waiting for the build
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let pushed = Pushed::of(caller, &args)?;
    let client = caller.client()?;
    let model = pushed.model(caller, &args)?;
    let promote = !args.no_promote;
    let interrupt = Interrupt::default();
    let work = async {
        let version = match &pushed {
            Pushed::Folder(folder) => upload(&client, folder, &model, promote).await?,
            Pushed::Template(body) => {
                let path = format!("/v1/models/{model}/versions?promote={promote}");
                client.post(&path, body).await?
            }
        };
        interrupt.says(format!(
            "the build goes on; see it with `onstage logs {model}`, how it ended with `onstage versions {model}`"
        ));
        if args.no_wait {
            return Ok(version);
        }
        let built = built(&client, &model, version, promote).await?;
        if built.failed() {
            if caller.json {
                print::json(&built.version)?;
            }
            built.tell_failure();
            return Err(Failure::Told);
        }
        Ok(built.version)
    };
    let version = interrupt.or(work).await?;
    if caller.json {
        return print::json(&version);
    }
    let (name, page) = (words(&version, "name"), client.link(&format!("/m/{model}")));
    print::say(&match (&version["state"], version["live"].as_bool()) {
        (state, _) if state == "building" => format!("{model} {name} is being built"),
        (_, Some(true)) => format!("{model} {name} is live: {page}"),
        _ => format!("{model} {name} is ready; make it live with `onstage promote {model} {name}`"),
    });
    print::line(&format!("{model} {name}"))
}

/// What is pushed.
enum Pushed {
    Folder(Box<ModelFolder>),
    /// The body of the request.
    Template(Value),
}

impl Pushed {
    fn of(caller: &Caller, args: &Args) -> Result<Self> {
        match (&args.template, &args.config) {
            (Some(template), Some(config)) => Ok(Self::Template(template::body(
                template,
                &caller.path(config),
            )?)),
            _ => {
                let folder = ModelFolder::open(&caller.path(&args.folder))?;
                folder.tell_warnings();
                Ok(Self::Folder(Box::new(folder)))
            }
        }
    }

    fn model(&self, caller: &Caller, args: &Args) -> Result<ModelName> {
        let asked = args.name.as_deref();
        match self {
            Self::Folder(folder) => folder.model(asked, caller.owner()),
            Self::Template(_) => template::model(asked.unwrap_or_default(), caller.owner()),
        }
    }
}

/// Packs and uploads; answers the version as the server then has it.
pub(super) async fn upload(
    client: &Client,
    folder: &ModelFolder,
    model: &ModelName,
    promote: bool,
) -> Result<Value> {
    let packed = folder.pack()?;
    let bar = Bar::bytes(
        packed.size_bytes,
        &format!("uploading {} files", packed.files),
    );
    let path = format!("/v1/models/{model}/versions?promote={promote}");
    let version = client
        .post_file(&path, &packed.archive, "application/gzip", bar.moved())
        .await;
    bar.end();
    version
}

/// A field that is text, or nothing.
pub(super) fn words<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
