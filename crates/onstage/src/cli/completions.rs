//! `onstage completions`: the script that lets a shell complete verbs and flags.
//! Does not install it.

use super::{Cli, exit::Failure, print};
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell it is for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "onstage", &mut script);
    print::bytes(&script)
}
