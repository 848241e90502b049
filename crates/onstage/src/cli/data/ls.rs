//! `onstage data ls`: all datasets by name, or the versions of one.
//! Does not look into them.

use crate::cli::{caller::Caller, exit::Failure, print, push::words, when};
use onstage_core::dataset::DatasetName;
use serde_json::Value;

const SHOWN_MAX: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the versions of this dataset
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: Option<DatasetName>,
}

pub(super) async fn run(caller: &Caller, args: &Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let path = match &args.name {
        Some(name) => format!("/v1/datasets/{name}/versions?limit=200"),
        None => "/v1/datasets?limit=200".to_owned(),
    };
    let rows = client.list(&path, SHOWN_MAX).await?;
    if caller.json {
        return print::json_list(&rows);
    }
    if rows.is_empty() {
        print::say("no datasets yet; bring one with `onstage data put NAME FILE`");
        return Ok(());
    }
    let newest = |row: &Value| match &args.name {
        Some(_) => row.clone(),
        None => row["newest"].clone(),
    };
    let shown = rows.iter().map(|row| {
        let version = newest(row);
        vec![
            words(&version, "reference").to_owned(),
            words(&version, "format").to_owned(),
            print::size(version["size"].as_u64().unwrap_or_default()),
            words(&version, "source").to_owned(),
            when::ago(&version["created_at"], caller.now()),
        ]
    });
    let header = ["dataset", "format", "size", "from", "added"];
    print::table(&header, shown.collect())
}
