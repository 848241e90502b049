//! `onstage serve`: starts the server on a data folder and says how to get in.
//! Does not join the parts; `crate::serve` does.

use super::{caller::Caller, exit::Failure, print};
use crate::{
    serve::{self, Serving},
    settings::{Settings, mistyped},
};
use serde_json::json;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Start the server
///
/// Serves the page, the API and jobs out of one data folder. The stakeholders' password is set by ONSTAGE_PASSWORD;
/// the owner gets in by the one-time link that is printed. `onstage config` shows every setting.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port (default 127.0.0.1:8484; port 0 takes any free one)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The settings file (or ONSTAGE_CONFIG; default `server.toml` in the data folder)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let settings = Settings::of(&caller.layers(args.listen, args.config)?)?;
    serve::start_logging(&settings.log, caller.colour)?;
    for (set, meant) in mistyped(&caller.environment) {
        tracing::warn!("the variable `{set}` is not known; did you mean `{meant}`?");
    }
    let stop = CancellationToken::new();
    serve::stop_on_signals(stop.clone())?;
    let data = settings.data.clone();
    let serving = Box::pin(serve::start(settings, &caller.environment)).await?;
    welcome(caller, &serving, &data)?;
    if args.open {
        super::open::browser(caller, &serving.login);
    }
    Box::pin(serving.until(stop)).await?;
    Ok(())
}

/// How to get in: JSON for programs, lines for people.
fn welcome(caller: &Caller, serving: &Serving, data: &std::path::Path) -> Result<(), Failure> {
    if caller.json {
        let facts = json!({"url": serving.url, "login": serving.login, "pid": std::process::id(), "data": data});
        return print::line(&facts.to_string());
    }
    // Also into a log, because the link is the only way in for the first time.
    print::say(&format!(
        "\n  Onstage is on stage at {}\n\n  log in once with  {}\n  data folder       {}\n  stop with Ctrl-C\n",
        serving.url,
        serving.login,
        data.display()
    ));
    Ok(())
}
