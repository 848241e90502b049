//! `onstage doctor`: looks for what could be wrong on this machine, one line each with what to do about it.
//! Repairs nothing.

mod looks;

use super::{caller::Caller, exit::Failure, print};
use serde_json::{Value, json};

/// Look for what could be wrong on this machine
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Ok,
    Warn,
    Fail,
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
struct Look {
    what: &'static str,
    standing: Standing,
    text: String,
    hint: Option<String>,
}

impl Look {
    fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            what,
            standing: Standing::Ok,
            text: text.into(),
            hint: None,
        }
    }

    fn warn(what: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what,
            standing: Standing::Warn,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }

    fn fail(what: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what,
            standing: Standing::Fail,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }
}

pub(super) async fn run(caller: &Caller, _: Args) -> Result<(), Failure> {
    let looks = looks::all(caller).await;
    let failed = looks.iter().any(|look| look.standing == Standing::Fail);
    if caller.json {
        let rows: Vec<Value> = looks
            .iter()
            .map(|look| json!({"what": look.what, "standing": look.standing.word(), "text": look.text, "hint": look.hint}))
            .collect();
        print::json_list(&rows)?;
    } else {
        for look in &looks {
            print::line(&format!(
                "{:<5} {:<12} {}",
                look.standing.word(),
                look.what,
                look.text
            ))?;
            if let Some(hint) = &look.hint {
                print::line(&format!("      hint: {hint}"))?;
            }
        }
    }
    if failed { Err(Failure::Told) } else { Ok(()) }
}
