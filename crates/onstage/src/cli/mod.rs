//! The command line: the verbs, what they share on their way in, and how they end. One verb, one file.
//! Verbs use the public HTTP API; only `serve`, `dev` and `task` join the parts themselves, `plan` runs the engine's
//! simulator, and `backup` and `restore` copy files of this machine.

mod alias;
mod backup;
mod bars;
mod batch;
mod caller;
mod check;
mod compare;
mod completions;
mod config;
mod data;
mod dev;
mod doctor;
mod exit;
mod feedback;
mod folder;
mod interrupt;
mod jobs;
mod logs;
mod models;
mod near;
mod new;
mod open;
mod out;
mod packed;
mod plan;
mod print;
mod promote;
mod push;
mod render;
mod restore;
mod rollback;
mod run;
mod schedule;
mod serve;
mod task;
mod token;
mod train;
mod typed;
mod usage;
mod versions;
mod when;

pub(crate) use near::{edits, nearest};

use caller::{Caller, Shared};
use clap::{Parser, Subcommand};
use exit::Failure;
use std::{process::ExitCode, time::Duration};

/// For what is left when a server or task has ended: it lets go of folders, which are removed then.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// Put a folder of Python functions on stage: a page, an API, batch jobs and feedback for your model.
#[derive(Debug, Parser)]
#[command(name = "onstage", version, max_term_width = 100, propagate_version = false, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Start here:
  onstage new hello && cd hello     a folder with a model that works
  onstage dev                       its page on this machine, reloaded on every save

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused, 4 server not reachable.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a folder with a model that works at once
    New(new::Args),
    /// Serve the model in this folder on this machine, reloaded on every save
    Dev(dev::Args),
    /// Ask a model for one prediction
    Run(run::Args),
    /// Run every row of a table through a model
    Batch(batch::Args),
    /// Train a model: its training function makes a new version
    Train(train::Args),
    /// Look whether a model's folder is fit to be pushed
    Check(check::Args),
    /// Simulate a model under a load: latencies, workers, memory and price, before paying
    Plan(plan::Args),
    /// Bring a model's folder to the server as a new version
    Push(push::Args),
    /// Start the server
    Serve(serve::Args),
    /// Show what models and predictions printed
    Logs(logs::Args),
    /// Open a model's page in the browser
    Open(open::Args),
    /// List the models
    Models(models::Args),
    /// List the versions of a model
    Versions(versions::Args),
    /// Give versions names, like `staging`, and move them
    Alias(alias::Args),
    /// Compare versions of a model
    Compare(compare::Args),
    /// Make a version live: the one that answers
    Promote(promote::Args),
    /// Go back to the version that was live before
    Rollback(rollback::Args),
    /// List, show, cancel and retry jobs
    Jobs(jobs::Args),
    /// Have a job made again and again, by the clock
    Schedule(schedule::Args),
    /// Bring datasets to the server, list, show, fetch and remove them
    Data(data::Args),
    /// Show what people said about predictions
    Feedback(feedback::Args),
    /// Show what was computed, for whom, and what it costs
    Usage(usage::Args),
    /// Create, list and remove tokens for programs
    Token(token::Args),
    /// Back the store and its blobs up, while the server works
    Backup(backup::Args),
    /// Make a data folder out of a backup
    Restore(restore::Args),
    /// Look for what could be wrong on this machine
    Doctor(doctor::Args),
    /// Show every setting and where it comes from
    Config(config::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Run the jobs of one version, then end (started by the server)
    #[command(hide = true)]
    Task(task::Args),
}

/// Parses the command line, runs the verb and says how it ended.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let caller = match Caller::new(cli.shared) {
        Ok(caller) => caller,
        Err(error) => return exit::end(Err(Failure::Error(error))),
    };
    let last_words = cli.verb.last_words();
    let runtime = match cli.verb.runtime().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = onstage_core::Error::internal("the runtime cannot start").because(error);
            return exit::end(Err(Failure::Error(error)));
        }
    };
    let ended = runtime.block_on(Box::pin(cli.verb.run(&caller)));
    // A read of standard input or a thread in a system call must not hold the end up.
    runtime.shutdown_timeout(last_words);
    exit::end(ended)
}

impl Verb {
    /// How long what is left of the work may take to let go of what it holds. Who serves has folders to remove.
    fn last_words(&self) -> Duration {
        match self {
            Self::Serve(_) | Self::Dev(_) | Self::Task(_) => LAST_WORDS_MAX,
            _ => Duration::ZERO,
        }
    }

    /// Verbs that serve use all cores; the others are done on the thread they are on.
    fn runtime(&self) -> tokio::runtime::Builder {
        match self {
            Self::Serve(_) | Self::Dev(_) | Self::Task(_) => {
                tokio::runtime::Builder::new_multi_thread()
            }
            _ => tokio::runtime::Builder::new_current_thread(),
        }
    }

    async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::New(args) => new::run(caller, &args),
            Self::Dev(args) => dev::run(caller, args).await,
            Self::Run(args) => run::run(caller, args).await,
            Self::Batch(args) => batch::run(caller, args).await,
            Self::Train(args) => train::run(caller, args).await,
            Self::Check(args) => check::run(caller, &args),
            Self::Plan(args) => plan::run(caller, args).await,
            Self::Push(args) => push::run(caller, args).await,
            Self::Serve(args) => serve::run(caller, args).await,
            Self::Logs(args) => logs::run(caller, args).await,
            Self::Open(args) => open::run(caller, args).await,
            Self::Models(args) => models::run(caller, args).await,
            Self::Versions(args) => versions::run(caller, args).await,
            Self::Alias(args) => alias::run(caller, args).await,
            Self::Compare(args) => compare::run(caller, args).await,
            Self::Promote(args) => promote::run(caller, args).await,
            Self::Rollback(args) => rollback::run(caller, args).await,
            Self::Jobs(args) => jobs::run(caller, args).await,
            Self::Schedule(args) => schedule::run(caller, args).await,
            Self::Data(args) => data::run(caller, args).await,
            Self::Feedback(args) => feedback::run(caller, args).await,
            Self::Usage(args) => usage::run(caller, args).await,
            Self::Token(args) => token::run(caller, args).await,
            Self::Backup(args) => backup::run(caller, args).await,
            Self::Restore(args) => restore::run(caller, args).await,
            Self::Doctor(args) => doctor::run(caller, args).await,
            Self::Config(args) => config::run(caller, &args),
            Self::Completions(args) => completions::run(&args),
            Self::Task(args) => task::run(caller, args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_shapes_people_type_are_understood() {
        for line in [
            "onstage new hello",
            "onstage dev",
            "onstage serve --listen 127.0.0.1:0 --data /tmp/x",
            "onstage push",
            "onstage push age --name fish --no-promote",
            "onstage push --template tabular-torch --config net.json --name cancer",
            "onstage run age photo=@x.jpg draws=3 --json",
            "onstage run age draws:=3 --async",
            "onstage run age --wait 5 draws=3",
            "onstage batch age table.csv --map photo=file --label truth --out result.csv",
            "onstage train age data=labels epochs=5",
            "onstage train age@v1 data=labels --to lab/other --promote --gate accuracy>=0.9 --seed 3 --async",
            "onstage compare age v1 v3",
            "onstage alias age",
            "onstage alias age staging=3 champion=staging --was none",
            "onstage alias age --remove staging --was v3",
            "onstage batch age@staging table.csv",
            "onstage promote age v3 --gate accuracy>=0.9 --force",
            "onstage jobs",
            "onstage jobs ls --status failed",
            "onstage jobs --status processing --limit 3",
            "onstage jobs show 01abcdefgh",
            "onstage jobs result 01abcdefgh --out result.csv",
            "onstage schedule",
            "onstage schedule ls age --json",
            "onstage schedule add age x=3 --every 1h",
            "onstage schedule add age@staging --table labels --cron @daily --zone Europe/Zurich --overlap queue",
            "onstage schedule add age --train data=labels epochs=5 --promote --gate accuracy>=0.9 --cron @weekly --no-catch-up",
            "onstage schedule run 01abcdefgh",
            "onstage schedule pause 01abcdefgh",
            "onstage schedule rm 01abcdefgh",
            "onstage data put labels fish.csv --format csv",
            "onstage data put photos photos/ --resume 01abcdefgh",
            "onstage data ls",
            "onstage data ls labels --json",
            "onstage data show labels@v3 --rows 5",
            "onstage data get labels --out x.csv",
            "onstage data rm labels@v3",
            "onstage data rm labels --all",
            "onstage feedback age --since 7d --csv",
            "onstage feedback export age --dataset labels --since 7d --format csv",
            "onstage logs -f age",
            "onstage plan heavy --rps 500",
            "onstage plan . --shape day --peak 500 --call 1s --spread 5% --workers 1..7 --window auto --sweep",
            "onstage plan --trace x.csv --call 200ms --per-item 1ms --memory 1GiB --shared 1GiB --svg x.svg",
            "onstage token create --name notebook --json",
            "onstage --server http://x:1 models",
            "onstage models --server http://x:1",
        ] {
            if let Err(error) = Cli::try_parse_from(line.split(' ')) {
                panic!("`{line}`: {error}");
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "onstage",
            "onstage run",
            "onstage fly",
            "onstage run age --wait 5 --async",
            "onstage push --template tabular-torch --name cancer",
            "onstage push age --template tabular-torch --config net.json --name cancer",
            "onstage jobs cancel",
            "onstage alias age 3=staging",
            "onstage alias age live=3",
            "onstage alias age staging=",
            "onstage data",
            "onstage schedule add age",
            "onstage schedule add age --every 1h --cron @daily",
            "onstage schedule add age --every 1h --gate a>=1",
            "onstage data put Labels x",
            "onstage data show labels@v0",
            "onstage data put labels x --format xml",
            "onstage feedback export age",
            "onstage jobs --status foo",
            "onstage jobs --kind foo",
            "onstage jobs ls --limit 0",
            "onstage plan x --rps 5 --shape day",
            "onstage plan x --rps 5 --workers 3",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
