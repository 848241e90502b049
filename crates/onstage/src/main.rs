//! The `onstage` binary. Joins the parts; see `serve/` for the joining and `cli/` for the verbs.

mod checks;
mod cli;
mod client;
mod environment;
mod gateway;
mod serve;
mod settings;

fn main() -> std::process::ExitCode {
    cli::main()
}
