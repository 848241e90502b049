//! `onstage config`: every installation setting and where it comes from, secrets masked.
//! Reads the same layers as `serve`; changes nothing.

use super::{caller::Caller, exit::Failure, print};
use crate::{
    serve::without_secret,
    settings::{Settings, Sourced, mistyped},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show every setting and where it comes from
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The settings file (or ONSTAGE_CONFIG; default `server.toml` in the data folder)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port, as `serve` would be told
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

const MASK: &str = "(hidden)";

pub(super) fn run(caller: &Caller, args: &Args) -> Result<(), Failure> {
    let layers = caller.layers(args.listen.clone(), args.config.clone())?;
    for (set, meant) in mistyped(&caller.environment) {
        print::say(&format!(
            "warning: the variable `{set}` is not known; did you mean `{meant}`?"
        ));
    }
    let settings = Settings::of(&layers)?;
    let shown = |sourced: &Sourced| match (sourced.entry.key, sourced.value.as_str()) {
        ("store", _) => without_secret(&settings.store),
        ("blobs", "") => settings.blobs.clone(),
        (_, "") => String::new(),
        _ if sourced.entry.secret => MASK.to_owned(),
        (_, value) => value.to_owned(),
    };
    if caller.json {
        let values: Vec<Value> = layers
            .all()
            .iter()
            .map(|sourced| json(sourced, &shown(sourced)))
            .collect();
        return print::json_list(&values);
    }
    let rows = layers
        .all()
        .iter()
        .map(|sourced| {
            vec![
                sourced.entry.key.to_owned(),
                shown(sourced),
                sourced.origin.to_string(),
                sourced.entry.variable.to_owned(),
                sourced.entry.about.to_owned(),
            ]
        })
        .collect();
    print::table(&["setting", "value", "from", "variable", "meaning"], rows)
}

fn json(sourced: &Sourced, value: &str) -> Value {
    json!({
        "key": sourced.entry.key,
        "value": value,
        "origin": sourced.origin.word(),
        "where": sourced.origin.to_string(),
        "variable": sourced.entry.variable,
        "about": sourced.entry.about,
        "secret": sourced.entry.secret,
    })
}
