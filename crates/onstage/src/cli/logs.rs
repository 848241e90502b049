//! `onstage logs`: what a model's build, its predictions or one job printed, also as it happens.
//! Does not interpret what was printed.

mod follow;
mod show;

use super::{caller::Caller, exit::Failure, jobs, push::words};
use crate::client::Client;
use onstage_core::{Error, Kind, Result};
use serde_json::Value;
use show::Screen;

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
        return of_models(caller, &client, None, args.follow).await;
    };
    match client.model(&what).await {
        Ok(model) => {
            let model = crate::client::full_name(&model);
            of_models(caller, &client, Some(&model), args.follow).await
        }
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid) => {
            match jobs::find(&client, &what).await {
                Ok((_, record)) => one(caller, &client, record, args.follow).await,
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

/// What a model's newest build and its recent predictions, batch jobs and trainings printed; all models' without one.
async fn of_models(
    caller: &Caller,
    client: &Client,
    model: Option<&str>,
    going_on: bool,
) -> Result<(), Failure> {
    if going_on {
        return follow::all(caller, client, model, RECENT_MAX).await;
    }
    let screen = Screen::new(caller);
    if let Some(model) = model
        && let Some((version, log)) = newest(client, model).await?
    {
        screen.build(model, &version, &log, true)?;
    }
    for record in recent(client, model, RECENT_MAX).await? {
        if jobs::is_final(&record) {
            show::ended(client, &screen, &record).await?;
        }
    }
    Ok(())
}

/// The newest version and its build and setup log.
async fn newest(client: &Client, model: &str) -> Result<Option<(Value, String)>> {
    let versions = client
        .list(&format!("/v1/models/{model}/versions?limit=1"), 1)
        .await?;
    let Some(version) = versions.into_iter().next() else {
        return Ok(None);
    };
    let path = format!("/v1/models/{model}/versions/{}/logs", words(&version, "id"));
    let log = client.get_text(&path).await?;
    Ok(Some((version, log)))
}

/// The lists of what may print something, newest first.
fn lists(model: Option<&str>, limit: usize) -> [String; 3] {
    let filter = model.map_or(String::new(), |model| format!("&model={model}"));
    [
        format!("/v1/predictions?limit={limit}{filter}"),
        format!("/v1/jobs?kind=batch&limit={limit}{filter}"),
        format!("/v1/jobs?kind=training&limit={limit}{filter}"),
    ]
}

/// The newest predictions and jobs, oldest first.
async fn recent(client: &Client, model: Option<&str>, limit: usize) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for list in lists(model, limit) {
        rows.extend(client.list(&list, limit).await?);
    }
    rows.sort_by(|a, b| words(a, "id").cmp(words(b, "id")));
    Ok(rows.split_off(rows.len().saturating_sub(limit)))
}

/// The logs of one record, to its end with `-f`.
async fn one(
    caller: &Caller,
    client: &Client,
    mut record: Value,
    going_on: bool,
) -> Result<(), Failure> {
    let screen = Screen::of_one(caller);
    if going_on && !jobs::is_final(&record) {
        return follow::one(client, &screen, record).await;
    }
    let path = format!("{}/logs", show::path(&record));
    record["logs"] = client.get_text(&path).await?.into();
    screen.logs(&record)
}
