//! `onstage logs`: what a model's build, its predictions or one job printed, also as it happens.
//! Does not interpret what was printed.

use super::{caller::Caller, exit::Failure, jobs, print, push::words};
use crate::client::{Client, follow};
use onstage_core::{Error, Kind, Result};
use serde_json::Value;
use std::{collections::HashSet, time::Duration};

/// Between two looks for new predictions with `-f`.
const LOOK_PAUSE: Duration = Duration::from_millis(700);
/// How many recent predictions are shown.
const RECENT_MAX: usize = 20;

/// Show what models and predictions printed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A model, or the id of a prediction or job; without it, all models
    #[arg(value_name = "MODEL|ID")]
    what: Option<String>,
    /// Go on with what is printed from now on
    #[arg(short, long)]
    follow: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let Some(what) = args.what else {
        return predictions(caller, &client, "", args.follow).await;
    };
    match client.model(&what).await {
        Ok(model) => {
            let model = crate::client::full_name(&model);
            build(&client, &model).await?;
            predictions(caller, &client, &format!("&model={model}"), args.follow).await
        }
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid) => {
            match jobs::find(&client, &what).await {
                Ok((path, record)) => one(&client, &path, &record, args.follow).await,
                Err(second) if second.kind == Kind::NotFound || second.kind == Kind::Invalid => {
                    let hint = error.hint.unwrap_or_else(|| {
                        "`onstage models` lists models, `onstage jobs` jobs".to_owned()
                    });
                    Err(
                        Error::not_found(format!("there is no model or job `{what}`"))
                            .hint(hint)
                            .into(),
                    )
                }
                Err(second) => Err(second.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The newest version's build and setup log.
async fn build(client: &Client, model: &str) -> Result<(), Failure> {
    let versions = client
        .list(&format!("/v1/models/{model}/versions?limit=1"), 1)
        .await?;
    let Some(version) = versions.first() else {
        return Ok(());
    };
    let path = format!("/v1/models/{model}/versions/{}/logs", words(version, "id"));
    let log = client.get_text(&path).await?;
    if !log.trim().is_empty() {
        print::say(&format!(
            "--- {model} {}: {}",
            words(version, "name"),
            words(version, "state")
        ));
        print::line(log.trim_end())?;
    }
    Ok(())
}

/// The logs of one record, to its end with `-f`.
async fn one(client: &Client, path: &str, record: &Value, going_on: bool) -> Result<(), Failure> {
    if !going_on || jobs::is_final(record) {
        let path = path.replace("/v1/jobs/", "/v1/predictions/");
        let log = client.get_text(&format!("{path}/logs")).await?;
        return if log.is_empty() {
            Ok(())
        } else {
            print::line(log.trim_end())
        };
    }
    let mut closed = false;
    follow(client, path, 0, |event| {
        if event.name == "log" && print::line(words(&event.data, "data").trim_end()).is_err() {
            closed = true;
            return Err(Error::internal("nobody reads the log any more"));
        }
        Ok(())
    })
    .await
    .map(drop)
    .map_err(|error| {
        if closed {
            Failure::PipeClosed
        } else {
            error.into()
        }
    })?;
    Ok(())
}

/// What recent predictions printed, oldest first, and with `-f` every new one's.
async fn predictions(
    caller: &Caller,
    client: &Client,
    filter: &str,
    going_on: bool,
) -> Result<(), Failure> {
    let path = format!("/v1/predictions?limit={RECENT_MAX}{filter}");
    let mut seen = HashSet::new();
    loop {
        let mut recent = client.list(&path, RECENT_MAX).await?;
        recent.reverse();
        for record in &recent {
            let ended = jobs::is_final(record);
            if ended && seen.insert(words(record, "id").to_owned()) {
                show(caller, client, record).await?;
            }
        }
        if !going_on {
            return Ok(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

async fn show(caller: &Caller, client: &Client, record: &Value) -> Result<(), Failure> {
    let logs = logs_of(client, record).await?;
    let error = words(record, "error");
    let traceback = words(record, "traceback").trim_end();
    if caller.json {
        return print::json(record);
    }
    if logs.is_empty() && error.is_empty() {
        return Ok(());
    }
    print::say(&format!(
        "--- {} {} {}: {}",
        words(record, "created_at"),
        words(record, "model"),
        words(record, "id"),
        words(record, "status")
    ));
    for text in [logs.as_str(), traceback, error]
        .into_iter()
        .filter(|text| !text.is_empty())
    {
        print::line(text)?;
    }
    Ok(())
}

/// What a prediction printed; a background one's is kept with its job, not in the list.
async fn logs_of(client: &Client, record: &Value) -> Result<String> {
    let logs = words(record, "logs");
    if logs.is_empty() && record["kind"] == "background" {
        let path = format!("/v1/predictions/{}/logs", words(record, "id"));
        return Ok(client.get_text(&path).await?.trim_end().to_owned());
    }
    Ok(logs.trim_end().to_owned())
}
