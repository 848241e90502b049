//! `onstage plan`: what a load would come to before anything is paid: latencies, workers, memory and price.
//! Runs the engine's simulator; starts no worker. A model on a server is read over its public API.

mod chart;
mod fit;
mod load;
mod model;
mod prices;
mod show;
mod svg;
mod sweep;

use super::{caller::Caller, exit::Failure, out, print};
use onstage_core::{
    Error,
    config::{Size, Span},
};
use onstage_engine::sim;
use std::path::PathBuf;

/// Simulate a model under a load: latencies, workers, memory and price, before paying
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A model's folder, or the name of a model on the server
    #[arg(value_name = "MODEL_OR_DIR", default_value = ".")]
    model: String,
    #[command(flatten)]
    load: load::Args,
    #[command(flatten)]
    model_args: model::Args,
    /// What this host costs an hour, in USD
    #[arg(long, value_name = "USD", default_value_t = 0.0)]
    host_price: f64,
    /// Try sizes of microbatches, windows and workers; print the cheapest that keep the goal as lines of `onstage.toml`
    #[arg(long)]
    sweep: bool,
    /// Write the chart as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    if !args.host_price.is_finite() || args.host_price < 0.0 {
        return Err(Error::invalid("`--host-price` must be a number of USD, 0 or more").into());
    }
    let svg = args.svg.as_deref().map(|file| caller.path(file));
    if let Some(file) = &svg {
        out::checked(file)?;
    }
    let load = args.load.read(caller)?;
    let mut planned = model::planned(caller, &args.model, &args.model_args).await?;
    for assumed in &planned.assumed {
        print::say(&format!("assumed: {assumed}"));
    }
    let mut best = None;
    if args.sweep {
        let tried = sweep::run(caller, &planned, &load);
        best = tried.first().filter(|it| it.keeps_goal).copied();
        if best.is_none() {
            let goal = show::time(planned.setup.goal());
            return Err(Error::not_found(format!(
                "no setting that was tried keeps the goal of {goal}"
            ))
            .because(format!(
                "the best of {} answers 99 of 100 in {}",
                tried.len(),
                show::time(tried.iter().map(|it| it.p99).min().unwrap_or_default())
            ))
            .hint("name a longer `--goal`, or make a call or a start shorter")
            .into());
        }
        if let Some(best) = &best {
            planned.setup = best.setting.applied(&planned.setup);
        }
    }
    let outcome = sim::simulate(&planned.setup, &load);
    if let Some(file) = &svg {
        std::fs::write(file, svg::drawn(&planned.name, &outcome)).map_err(|error| {
            Error::unavailable(format!("file `{}` cannot be written", file.display()))
                .because(error)
        })?;
    }
    let bill = prices::bill(&planned, &load, &outcome, args.host_price);
    if caller.json {
        return print::json(&show::json(&planned, &outcome, &bill, best.as_ref()));
    }
    show::table(&planned, &outcome, &bill)?;
    chart::print(&outcome)?;
    if let Some(best) = &best {
        sweep::print(best, &planned)?;
    }
    if let Some(file) = &args.svg {
        print::say(&format!("the chart is in {}", file.display()));
    }
    Ok(())
}

/// Flags as clap reads them, once for all of these files.
fn size(text: &str) -> Result<Size, String> {
    text.parse()
}

fn span(text: &str) -> Result<Span, String> {
    text.parse()
}
