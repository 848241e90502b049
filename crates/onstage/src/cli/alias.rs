//! `onstage alias`: names for versions, listed, set, moved and removed.
//! Does not make a version live.

use super::{caller::Caller, exit::Failure, print, push::words};
use crate::client::Client;
use onstage_core::{Error, Result, alias::Alias};
use reqwest::Method;
use serde_json::{Value, json};

/// Give versions names, like `staging`, that are used wherever a version is named: `age@staging`
///
/// Without a name to set or to remove, lists those that there are.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age` or `lab/age`
    #[arg(value_name = "MODEL")]
    model: String,
    /// What to point where: `staging=3 champion=v2`; `champion=staging` is the version that `staging` points at now
    #[arg(value_name = "ALIAS=VERSION", value_parser = pair)]
    set: Vec<(Alias, String)>,
    /// Remove this name (again for each)
    #[arg(long, value_name = "ALIAS")]
    remove: Vec<Alias>,
    /// Only if it points at this version until now; `none` if it must be new
    #[arg(long, value_name = "VERSION")]
    was: Option<String>,
}

fn pair(text: &str) -> Result<(Alias, String)> {
    let wrong = || {
        Error::invalid(format!("`{text}` does not say what to point where"))
            .hint("write it like `staging=3`")
    };
    let (alias, version) = text.split_once('=').ok_or_else(wrong)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if version.is_empty() || !version.bytes().all(plain) {
        return Err(wrong());
    }
    Ok((alias.parse()?, version.to_owned()))
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let model = crate::client::full_name(&client.model(&args.model).await?);
    let all = format!("/v1/models/{model}/aliases");
    let mut changed = Vec::new();
    for (alias, version) in &args.set {
        changed.push(set(&client, &all, (alias, version), args.was.as_deref()).await?);
    }
    for alias in &args.remove {
        let was = args
            .was
            .as_deref()
            .map_or_else(String::new, |was| format!("?was={was}"));
        client.delete(&format!("{all}/{alias}{was}")).await?;
        print::say(&format!("{model} has no `{alias}` any more"));
    }
    if args.set.is_empty() && args.remove.is_empty() {
        return list(caller, &client, &all).await;
    }
    if caller.json {
        return print::json_list(&changed);
    }
    for alias in &changed {
        print::line(&format!(
            "{model}@{} v{}",
            words(alias, "alias"),
            alias["number"]
        ))?;
    }
    Ok(())
}

async fn set(
    client: &Client,
    all: &str,
    (alias, version): (&Alias, &str),
    was: Option<&str>,
) -> Result<Value> {
    let mut wish = json!({"version": version});
    match was {
        None => {}
        Some("none") => wish["was"] = Value::Null,
        Some(was) => wish["was"] = was.into(),
    }
    let request = client.request(Method::PUT, &format!("{all}/{alias}"));
    client.json(client.send(request.json(&wish)).await?).await
}

async fn list(caller: &Caller, client: &Client, all: &str) -> Result<(), Failure> {
    let aliases = client.list(all, onstage_core::alias::ALIASES_MAX).await?;
    if caller.json {
        return print::json_list(&aliases);
    }
    if aliases.is_empty() {
        print::say("no aliases yet; give one with `onstage alias MODEL staging=3`");
        return Ok(());
    }
    let row = |alias: &Value| {
        let id: String = words(alias, "version").chars().take(12).collect();
        vec![
            words(alias, "alias").to_owned(),
            format!("v{}", alias["number"]),
            id,
        ]
    };
    print::table(
        &["alias", "version", "id"],
        aliases.iter().map(row).collect(),
    )
}
