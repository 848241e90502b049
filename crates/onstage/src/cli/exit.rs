//! How a verb ends: kind of error to exit code in one match, and the lines that say why.
//! Does not know the verbs.

use super::print;
use onstage_core::{Error, Kind};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const REFUSED: u8 = 3;
const UNREACHABLE: u8 = 4;
/// As shells say it of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Why a verb did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    Error(Error),
    /// The work failed, and the verb has already said so.
    Told,
    /// The person pressed Ctrl-C, and was told what goes on.
    Interrupted,
    /// Whoever read our output has seen enough; that is no failure of ours.
    PipeClosed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Invalid => USAGE,
        Kind::Denied | Kind::Conflict | Kind::OverBudget => REFUSED,
        Kind::Unavailable => UNREACHABLE,
        Kind::NotFound
        | Kind::Lost
        | Kind::Busy
        | Kind::Timeout
        | Kind::Full
        | Kind::UserCode
        | Kind::Internal => FAILED,
    }
}

/// Says how it ended and answers the exit code.
pub(super) fn end(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) | Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::from(FAILED),
        Err(Failure::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(Failure::Error(error)) => {
            print::error(&error);
            ExitCode::from(code(error.kind))
        }
    }
}

/// A command line that cannot be read; also `--help` and `--version`, which are none.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody is left to tell when this cannot be written.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let rendered = error.render();
    let text = if std::io::stderr().is_terminal() {
        rendered.ansi().to_string()
    } else {
        rendered.to_string()
    };
    let _ = std::io::stderr().write_all(in_our_words(&text).as_bytes());
    ExitCode::from(USAGE)
}

/// The same word for what to do everywhere.
fn in_our_words(text: &str) -> String {
    text.lines()
        .map(|line| {
            let bare = line.trim_start();
            let is_tip =
                bare.starts_with("tip:") || bare.starts_with('\u{1b}') && bare.contains("tip:");
            if is_tip {
                format!("{}\n", bare.replacen("tip:", "hint:", 1))
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_end_in_the_documented_codes() {
        for (kind, expected) in [
            (Kind::Invalid, 2),
            (Kind::Denied, 3),
            (Kind::Conflict, 3),
            (Kind::Unavailable, 4),
            (Kind::UserCode, 1),
            (Kind::NotFound, 1),
        ] {
            assert_eq!(code(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn what_to_do_is_a_hint_everywhere() {
        let text =
            "error: unrecognized subcommand 'psh'\n\n  tip: a similar subcommand exists: 'push'\n";
        assert_eq!(
            in_our_words(text),
            "error: unrecognized subcommand 'psh'\n\nhint: a similar subcommand exists: 'push'\n"
        );
        assert_eq!(
            in_our_words("  \u{1b}[32mtip:\u{1b}[0m x"),
            "\u{1b}[32mhint:\u{1b}[0m x\n"
        );
        assert_eq!(in_our_words("  a tip: x"), "  a tip: x\n");
    }
}
