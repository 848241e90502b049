//! `onstage schedule`: jobs that are made again at every tick, listed, added, paused, resumed and removed.
//! Does not know when a tick is; the server does.

mod add;
mod show;

use super::{caller::Caller, exit::Failure, print};
use onstage_core::Id;
use reqwest::Method;
use serde_json::json;

const SHOWN_MAX: usize = 10_000;

/// Have a batch job, a prediction or a training made again and again
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List schedules with their next tick and what the last one came to
    Ls(List),
    /// Make a schedule
    Add(add::Args),
    /// Show one schedule
    Show(One),
    /// Make its job now, beside its ticks
    Run(One),
    /// No ticks until it is resumed
    Pause(One),
    /// Ticks again, from the next one on
    Resume(One),
    /// Remove a schedule; the jobs that it made stay
    Rm(One),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only of this model
    #[arg(value_name = "MODEL")]
    model: Option<String>,
}

#[derive(Debug, clap::Args)]
struct One {
    /// The schedule's id
    #[arg(value_name = "ID")]
    id: Id,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    match args.verb {
        None => list(caller, &args.list).await,
        Some(Verb::Ls(list)) => self::list(caller, &list).await,
        Some(Verb::Add(args)) => add::run(caller, args).await,
        Some(Verb::Show(one)) => {
            let path = format!("/v1/schedules/{}", one.id);
            show::one(caller, &caller.client()?.get(&path).await?)
        }
        Some(Verb::Run(one)) => {
            let path = format!("/v1/schedules/{}/run", one.id);
            show::one(caller, &caller.client()?.post(&path, &json!({})).await?)
        }
        Some(Verb::Pause(one)) => set_paused(caller, &one, true).await,
        Some(Verb::Resume(one)) => set_paused(caller, &one, false).await,
        Some(Verb::Rm(one)) => {
            let path = format!("/v1/schedules/{}", one.id);
            caller.client()?.delete(&path).await?;
            print::say(&format!("schedule `{}` is removed", one.id));
            Ok(())
        }
    }
}

async fn list(caller: &Caller, args: &List) -> Result<(), Failure> {
    let client = caller.client()?;
    let mut path = "/v1/schedules?limit=200".to_owned();
    if let Some(model) = &args.model {
        let model = crate::client::full_name(&client.model(model).await?);
        path.push_str(&format!("&model={model}"));
    }
    show::all(caller, &client.list(&path, SHOWN_MAX).await?)
}

async fn set_paused(caller: &Caller, one: &One, paused: bool) -> Result<(), Failure> {
    let client = caller.client()?;
    let request = client.request(Method::PATCH, &format!("/v1/schedules/{}", one.id));
    let answer = client
        .send(request.json(&json!({"paused": paused})))
        .await?;
    show::one(caller, &client.json(answer).await?)
}
