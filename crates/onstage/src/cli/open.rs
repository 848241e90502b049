//! `onstage open`: a model's page in the browser of this machine, logged in by a one-time link.
//! Does not keep the link.

use super::{caller::Caller, exit::Failure, print};
use serde_json::json;
use std::process::{Command, Stdio};

/// Open a model's page in the browser, logged in
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model; without it, the gallery
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Only print the address
    #[arg(long)]
    print: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let page = match &args.model {
        Some(name) => format!(
            "/m/{}",
            crate::client::full_name(&client.model(name).await?)
        ),
        None => "/".to_owned(),
    };
    let link = client.post("/v1/login-links", &json!({})).await?;
    let link = link["url"].as_str().unwrap_or_default();
    let url = client.link(&format!("{link}&next={page}"));
    if caller.json {
        return print::json(&json!({"url": url}));
    }
    if !args.print && !browser(caller, &url) {
        print::say("there is no browser on this machine; open the address yourself");
    }
    print::line(&url)
}

/// Starts the browser; false where there is none.
pub(super) fn browser(caller: &Caller, url: &str) -> bool {
    let has_screen = cfg!(target_os = "macos")
        || caller.environment.get("DISPLAY").is_some()
        || caller.environment.get("WAYLAND_DISPLAY").is_some();
    let opener = ["xdg-open", "open", "wslview"]
        .into_iter()
        .find_map(|name| caller.environment.program(name));
    let Some(opener) = opener.filter(|_| has_screen) else {
        return false;
    };
    Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}
