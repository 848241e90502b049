//! `onstage task`: runs the jobs of one version until there are none, then ends. Started by drivers, not by people.
//! Never calls a server; opens the store and the blobs itself.

use super::{caller::Caller, exit::Failure};
use crate::{
    serve::{self, TaskOrder},
    settings::Settings,
};
use onstage_core::{Error, Id, config::Span, model::VersionId, task::Lane};
use std::{path::PathBuf, time::Duration};
use tokio_util::sync::CancellationToken;

/// Run the jobs of one version, then end (started by the server)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The task's id
    #[arg(long)]
    id: String,
    /// The version whose jobs it runs
    #[arg(long)]
    version: String,
    /// What it drains: `jobs` or `trainings`
    #[arg(long, default_value = "jobs", value_parser = ["jobs", "trainings"])]
    lane: String,
    /// After so many seconds it takes no more jobs
    #[arg(long, value_name = "SECONDS")]
    stop_after: u64,
    /// How long it waits for more work (default: the model's own `linger`)
    #[arg(long, value_name = "SPAN")]
    linger: Option<Span>,
    /// The settings file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let settings = Settings::of(&caller.layers(None, args.config)?)?;
    serve::start_logging(&settings.log, false)?;
    let stop = CancellationToken::new();
    serve::stop_on_signals(stop.clone())?;
    let order = TaskOrder {
        id: args.id.parse::<Id>()?,
        version: VersionId(args.version),
        lane: Lane::parse(&args.lane).unwrap_or_default(),
        linger: args.linger.map(|span| span.0),
        stop_after: Duration::from_secs(args.stop_after),
    };
    match Box::pin(serve::run_task(&settings, &caller.environment, order, stop)).await {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::error!(%error, "the task failed");
            Err(Error::new(error.kind, "the task failed")
                .because(error)
                .into())
        }
    }
}
