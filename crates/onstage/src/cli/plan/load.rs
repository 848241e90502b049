//! The load of a plan, from its flags: a rate, a shape, or a recorded trace.
//! Does not know the model.

use crate::cli::caller::Caller;
use onstage_core::{Error, Result};
use onstage_engine::sim::{Load, Measures};
use std::path::PathBuf;

/// More than this takes minutes.
const REQUESTS_MAX: f64 = 50e6;
const MINUTES: f64 = 10.0;
const DAY_MINUTES: f64 = 24.0 * 60.0;
/// Of the peak, when no base is given.
const BASE_SHARE: f64 = 0.05;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Requests a second, all the time
    #[arg(long, value_name = "N", conflicts_with_all = ["trace", "shape"])]
    rps: Option<f64>,
    /// A CSV file of lines `second,requests`
    #[arg(long, value_name = "FILE", conflicts_with = "shape")]
    trace: Option<PathBuf>,
    /// How the load changes between `--base` and `--peak`
    #[arg(long, value_enum)]
    shape: Option<Shape>,
    /// Requests a second at the highest
    #[arg(long, value_name = "N", requires = "shape")]
    peak: Option<f64>,
    /// Requests a second at the lowest (default: a twentieth of the peak)
    #[arg(long, value_name = "N", requires = "shape")]
    base: Option<f64>,
    /// How long it lasts (default: 10 minutes; a day for `--shape day`)
    #[arg(long, value_name = "N", conflicts_with = "trace")]
    minutes: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    Day,
    Spike,
    Step,
    Sawtooth,
}

impl Args {
    pub(super) fn read(&self, caller: &Caller) -> Result<Load> {
        let load = match (&self.trace, self.shape, self.rps) {
            (Some(file), ..) => {
                let text = std::fs::read_to_string(caller.path(file)).map_err(|error| {
                    Error::invalid(format!("trace `{}` cannot be read", file.display()))
                        .because(error)
                })?;
                Load::recorded(&text).map_err(|why| {
                    Error::invalid(format!("trace `{}` cannot be used", file.display()))
                        .because(why)
                })?
            }
            (None, Some(shape), _) => self.shaped(shape)?,
            (None, None, Some(rate)) => {
                let rate = number("--rps", rate)?;
                Load::constant(
                    rate,
                    60.0 * number("--minutes", self.minutes.unwrap_or(MINUTES))?,
                )
            }
            (None, None, None) => {
                return Err(Error::invalid("a plan needs a load")
                    .hint("give `--rps 500`, `--shape day --peak 500`, or `--trace FILE` of lines `second,requests`"));
            }
        };
        match load.requests() {
            requests if requests > REQUESTS_MAX => Err(Error::invalid(format!(
                "the load has {:.0} million requests; a plan takes up to {:.0}",
                requests / 1e6,
                REQUESTS_MAX / 1e6
            ))
            .hint("give fewer `--minutes`")),
            requests if requests < 1.0 => Err(Error::invalid("the load has no requests")),
            _ => Ok(load),
        }
    }

    fn shaped(&self, shape: Shape) -> Result<Load> {
        let peak = self.peak.ok_or_else(|| {
            Error::invalid("`--shape` needs `--peak`")
                .hint("for example `--peak 500`, in requests a second")
        })?;
        let peak = number("--peak", peak)?;
        let usual = if shape == Shape::Day {
            DAY_MINUTES
        } else {
            MINUTES
        };
        let measures = Measures {
            base: number("--base", self.base.unwrap_or(peak * BASE_SHARE))?,
            peak,
            seconds: 60.0 * number("--minutes", self.minutes.unwrap_or(usual))?,
        };
        Ok(match shape {
            Shape::Day => Load::day(&measures),
            Shape::Spike => Load::spike(&measures),
            Shape::Step => Load::step(&measures),
            Shape::Sawtooth => Load::sawtooth(&measures),
        })
    }
}

fn number(flag: &str, value: f64) -> Result<f64> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(value),
        false => Err(Error::invalid(format!(
            "`{flag}` must be a number, 0 or more"
        ))),
    }
}
