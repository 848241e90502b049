//! `onstage dev`: serves the model in a folder on this machine and pushes it again on every save.
//! Does not keep setup alive between versions; a changed file is a new version.

mod watch;

use super::{
    caller::Caller,
    exit::Failure,
    folder::{CONFIG_NAME, ModelFolder},
    open, print, push,
    push::words,
};
use crate::{
    client::{Client, DEV_FOLDER, Target},
    serve::{self, Serving},
    settings::Settings,
};
use onstage_core::{Error, Kind, Result};
use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};
use tokio_util::sync::CancellationToken;
use watch::Watch;

/// Serve the model in this folder on this machine, reloaded on every save
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Address and port (default: 127.0.0.1:8484, or any free port when that is taken)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Do not open the browser
    #[arg(long)]
    no_open: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let path = caller.path(&args.folder);
    // A mistake in `onstage.toml` can be mended while we serve; a folder without a model cannot.
    match ModelFolder::open(&path) {
        Ok(folder) => folder.tell_warnings(),
        Err(error) if !path.join(CONFIG_NAME).is_file() => return Err(error.into()),
        Err(_) => {}
    }
    let data = path.join(DEV_FOLDER);
    hide(&data)?;
    let free = args.listen.is_none();
    let settings = Settings::of(&caller.layers_in(&data, args.listen)?)?;
    let levels = if caller.environment.get("ONSTAGE_LOG").is_some() {
        settings.log.as_str()
    } else {
        "warn"
    };
    serve::start_logging(levels, caller.colour)?;
    let stop = CancellationToken::new();
    serve::stop_on_signals(stop.clone())?;
    let serving = Box::pin(start(settings, caller, free)).await?;
    let client = Client::new(Target::new(&serving.url, Some(serving.token.clone())))?;
    print::say(&format!(
        "\n  on stage at       {}\n  log in once with  {}\n  stop with Ctrl-C\n",
        serving.url, serving.login
    ));
    if caller.json {
        let facts = serde_json::json!({"url": serving.url, "login": serving.login, "pid": std::process::id(), "data": data});
        print::line(&facts.to_string())?;
    }
    if !args.no_open {
        open::browser(caller, &serving.login);
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = keep_pushing(caller, &client, &path) => {}
    }
    Box::pin(serving.until(stop)).await?;
    Ok(())
}

/// Starts on the asked address, or on any free port when nobody asked and the usual one is taken.
async fn start(settings: Settings, caller: &Caller, free: bool) -> Result<Serving> {
    let mut elsewhere = settings.clone();
    elsewhere.listen.set_port(0);
    match serve::start(settings, &caller.environment).await {
        Err(error)
            if free && error.kind == Kind::Conflict && error.message.starts_with("address") =>
        {
            print::say(&format!("{}; taking another one", error.message));
            serve::start(elsewhere, &caller.environment).await
        }
        started => started,
    }
}

/// Makes the data folder inside the model's folder, unseen by version control.
fn hide(data: &Path) -> Result<()> {
    let cannot = |error| {
        Error::invalid(format!("folder `{}` cannot be made", data.display())).because(error)
    };
    std::fs::create_dir_all(data).map_err(cannot)?;
    std::fs::write(data.join(".gitignore"), "*\n").map_err(cannot)
}

/// Pushes now and after every change; mistakes are told and waited out. A save while a version loads gives that one up.
async fn keep_pushing(caller: &Caller, client: &Client, path: &Path) {
    let mut watch = Watch::new(path);
    loop {
        let building = RefCell::new(None);
        let changed = tokio::select! {
            biased;
            pushed = push_once(caller, client, path, &building) => {
                if let Err(error) = pushed {
                    print::error(&error);
                    print::say("waiting for the next save");
                }
                None
            }
            changed = watch.changed() => Some(changed),
        };
        let changed = match changed {
            Some(changed) => {
                give_up(client, building.into_inner()).await;
                changed
            }
            None => watch.changed().await,
        };
        print::say(&format!("{} changed", watch::names(&changed)));
    }
}

/// A version that is being built: its path in the API and its name.
struct Building {
    path: String,
    name: String,
}

/// Removes a version that nobody waits for any more, which also ends its build.
async fn give_up(client: &Client, building: Option<Building>) {
    let Some(Building { path, name }) = building else {
        return;
    };
    if client.delete(&path).await.is_ok() {
        print::say(&format!("{name} is given up for what was saved meanwhile"));
    }
}

async fn push_once(
    caller: &Caller,
    client: &Client,
    path: &Path,
    building: &RefCell<Option<Building>>,
) -> Result<()> {
    let folder = ModelFolder::open(path)?;
    let model = folder.model(None, caller.owner())?;
    let version = push::upload(client, &folder, &model, true).await?;
    if version["state"] == "building" {
        building.replace(Some(Building {
            path: format!("/v1/models/{model}/versions/{}", words(&version, "id")),
            name: format!("{model} {}", words(&version, "name")),
        }));
    }
    let built = push::built(client, &model, version, true).await?;
    building.take();
    if built.failed() {
        built.tell_failure();
        print::say("waiting for the next save");
        return Ok(());
    }
    let version = built.version;
    print::say(&format!(
        "{model} {} is live: {}",
        words(&version, "name"),
        client.link(&format!("/m/{model}"))
    ));
    Ok(())
}
