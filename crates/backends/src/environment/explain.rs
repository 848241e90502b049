//! Turns an installer's failure into an error that says what to do.
//! Pure; the output is passed in.

use crate::process::Failed;
use onstage_core::{Error, Kind};

/// Lines of the installer's output in the message; the whole of it went to the build's log.
const SHOWN_LINES_MAX: usize = 12;

/// What failed, `doing` saying what was tried, for example "making the environment".
pub(super) fn failure(doing: &str, failed: Failed, minutes_max: u64) -> Error {
    match failed {
        Failed::NotStarted(error) => {
            Error::unavailable(format!("{doing} could not start")).because(error)
        }
        Failed::TimeUp => Error::user_code(format!("{doing} took longer than {minutes_max} minutes"))
            .hint("a package that is built from source may take that long; pin a version that has a wheel"),
        Failed::Ended(_, lines) => from_output(doing, &lines),
    }
}

fn from_output(doing: &str, lines: &[String]) -> Error {
    let all = lines.join("\n");
    let said = |needles: &[&str]| needles.iter().any(|needle| all.contains(needle));
    let (kind, hint) = if said(&["No space left on device", "Disk quota exceeded"]) {
        (Kind::Full, "free some space on the disk of the data folder")
    } else if said(NO_NETWORK) {
        (
            Kind::Unavailable,
            "the package index cannot be reached; check the network and the proxy settings, then push again",
        )
    } else if said(&[
        "ResolutionImpossible",
        "conflicting dependencies",
        "conflict with each other",
        "are incompatible",
        "is unsatisfiable",
    ]) && !said(NOT_THERE)
    {
        (
            Kind::UserCode,
            "the requirements exclude each other; relax the versions named above",
        )
    } else if said(NOT_THERE) {
        (
            Kind::UserCode,
            "no such package or version for this Python; check its name and version in `requirements`",
        )
    } else if said(&[
        "ensurepip is not",
        "No module named venv",
        "No module named 'venv'",
    ]) {
        (
            Kind::Unavailable,
            "install the `python3-venv` package of this system, or `uv`",
        )
    } else if said(&[
        "Failed building wheel",
        "Failed to build",
        "error: command",
        "subprocess-exited-with-error",
    ]) {
        (
            Kind::UserCode,
            "a package was built from source and failed; pin a version that has a wheel for this Python",
        )
    } else if said(&[
        "Invalid requirement",
        "Expected one of",
        "Couldn't parse",
        "InvalidRequirement",
    ]) {
        (
            Kind::UserCode,
            "a requirement line is malformed; write it like `numpy==1.26.4`",
        )
    } else {
        (
            Kind::UserCode,
            "the installer's output is in the version's log",
        )
    };
    Error::new(kind, format!("{doing} failed: {}", telling(lines))).hint(hint)
}

const NOT_THERE: &[&str] = &[
    "No matching distribution found",
    "was not found in the package registry",
    "there is no version of",
    "has no matching version",
];

const NO_NETWORK: &[&str] = &[
    "NewConnectionError",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Connection refused",
    "dns error",
    "error sending request",
    "ConnectTimeoutError",
    "ReadTimeoutError",
];

/// The last lines that tell something: progress and notices are left out.
fn telling(lines: &[String]) -> String {
    let told: Vec<&str> = lines
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .filter(|line| !QUIET.iter().any(|start| line.starts_with(start)))
        .collect();
    let from = told.len().saturating_sub(SHOWN_LINES_MAX);
    if told.is_empty() {
        return "the installer said nothing".to_owned();
    }
    told[from..].join("\n")
}

const QUIET: &[&str] = &[
    "Collecting ",
    "Downloading ",
    "Using cached ",
    "Looking in ",
    "Installing ",
    "Requirement already ",
    "[notice]",
    "Using Python ",
    "WARNING: You are using pip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_decides_the_hint() {
        for (line, kind, hint) in [
            (
                "ERROR: No matching distribution found for nump==1",
                Kind::UserCode,
                "check its name",
            ),
            (
                "Because nump was not found in the package registry and you require nump, we can conclude that your requirements are unsatisfiable.",
                Kind::UserCode,
                "check its name",
            ),
            (
                "ERROR: ResolutionImpossible: for help visit",
                Kind::UserCode,
                "exclude each other",
            ),
            (
                "OSError: [Errno 28] No space left on device",
                Kind::Full,
                "free some space",
            ),
            (
                "WARNING: Retrying: NewConnectionError('…')",
                Kind::Unavailable,
                "cannot be reached",
            ),
            ("something else", Kind::UserCode, "version's log"),
        ] {
            let error = from_output("installing", &["Collecting x".to_owned(), line.to_owned()]);
            assert_eq!(error.kind, kind, "{line}");
            assert!(
                error.hint.as_ref().unwrap().contains(hint),
                "{line}: {:?}",
                error.hint
            );
            assert_eq!(error.to_string(), format!("installing failed: {line}"));
        }
    }
}
