//! How the server's own log looks: lines for people on a terminal, JSON lines elsewhere, always on standard error.
//! Decides nothing about what is logged but the level.

use onstage_core::{Error, Result};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Crates that say more than anybody wants at the levels people ask for.
/// sqlx would log a mistyped parameter of a store's URL with its value, which may be a password.
const QUIETED: &str = "hyper=warn,sqlx=warn,sqlx_postgres::options=error,sea_orm=warn,sea_orm_migration=warn,reqwest=warn,h2=warn";

/// Starts logging. `levels` is a level or a filter such as `info,onstage=debug`.
pub(crate) fn start(levels: &str, colour: bool) -> Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIETED},{levels}")).map_err(|error| {
        Error::invalid(format!("setting `log` cannot be `{levels}`"))
            .because(error)
            .hint("write error, warn, info or debug")
    })?;
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would be told on standard error too, where nobody reads any more, and whoever logs would panic.
        .log_internal_errors(false);
    let started = if std::io::stderr().is_terminal() {
        builder
            .with_ansi(colour)
            .with_target(false)
            .compact()
            .try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    };
    started.map_err(|error| Error::internal("logging is started twice").because(error))
}
