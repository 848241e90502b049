//! A version on its way: its phases and the lines of its log shown until it is ready, live or has failed.
//! Does not upload it.

use super::words;
use crate::{
    cli::{bars::Bar, print},
    client::{Away, Client},
};
use onstage_core::{ModelName, Result};
use serde_json::Value;
use std::time::Duration;

/// Between two looks at a version that is being built.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How many looks at a version that is ready may find it not yet promoted.
const PROMOTION_LOOKS_MAX: u32 = 50;

/// A version whose build has ended.
pub(in crate::cli) struct Built {
    pub(in crate::cli) version: Value,
    /// The build's log as far as it was shown.
    log: String,
}

/// Follows the build. With `promote`, also waits until the version that is ready is the live one.
pub(in crate::cli) async fn built(
    client: &Client,
    model: &ModelName,
    version: Value,
    promote: bool,
) -> Result<Built> {
    let path = format!("/v1/models/{model}/versions/{}", words(&version, "id"));
    let known = version["state"] != "building";
    let bar = Bar::spinner();
    let (mut version, mut log, mut looks) = (version, String::new(), 0);
    let mut away = Away::default();
    loop {
        if !known {
            show_log(client, &path, &bar, &mut log).await;
        }
        let promoting = promote && version["state"] == "ready" && version["live"] != true;
        if version["state"] != "building" && !(promoting && looks < PROMOTION_LOOKS_MAX) {
            bar.end();
            return Ok(Built { version, log });
        }
        looks += u32::from(promoting);
        // Elsewhere than on a terminal the log says it all.
        bar.detail(format!(
            "{model} {}: {}",
            words(&version, "name"),
            what_happens(&version)
        ));
        tokio::time::sleep(LOOK_PAUSE).await;
        version = match client.get(&path).await {
            Ok(version) => {
                away.is_back();
                version
            }
            Err(error) if away.rides_out(client, &error, |text| bar.line(text)).await => version,
            Err(error) => return Err(error),
        };
    }
}

fn what_happens(version: &Value) -> String {
    match (words(version, "text"), words(version, "phase")) {
        (text, _) if !text.is_empty() => print::harmless(text).replace('\n', " "),
        (_, phase) => phase.to_owned(),
    }
}

/// Prints what the build's log has gained. A log that cannot be read now is shown at the next look.
async fn show_log(client: &Client, path: &str, bar: &Bar, shown: &mut String) {
    let Ok(log) = client.get_text(&format!("{path}/logs")).await else {
        return;
    };
    let log = without_failure(&log);
    let gained = gained(shown, log);
    if !gained.is_empty() {
        bar.line(gained.trim_end_matches('\n'));
    }
    log.clone_into(shown);
}

/// How the builder starts the lines that say why it failed.
const FAILURE_MARK: &str = "--- failed: ";

/// The log up to where it says why the build failed: that is told at the end, once.
fn without_failure(log: &str) -> &str {
    if log.starts_with(FAILURE_MARK) {
        return "";
    }
    match log.rfind(&format!("\n{FAILURE_MARK}")) {
        Some(at) => &log[..=at],
        None => log,
    }
}

/// The part of the log that was not shown. Of a long log the middle is left out, so it does not only grow at its end.
pub(in crate::cli) fn gained<'a>(shown: &str, log: &'a str) -> &'a str {
    if let Some(gained) = log.strip_prefix(shown) {
        return gained;
    }
    let from = shown
        .char_indices()
        .rev()
        .nth(KNOWN_CHARS)
        .map_or(0, |(at, _)| at);
    let known = &shown[from..];
    match log.rfind(known) {
        Some(at) => &log[at + known.len()..],
        None => log,
    }
}

/// Characters at the end of what was shown by which the place in a longer log is found again.
const KNOWN_CHARS: usize = 400;

impl Built {
    pub(in crate::cli) fn failed(&self) -> bool {
        self.version["state"] == "failed"
    }

    /// Tells why a version could not be built: what, the author's traceback unless it was printed, and what to do.
    pub(in crate::cli) fn tell_failure(&self) {
        let version = &self.version;
        let error = &version["error"];
        print::say(&format!(
            "error: {} {} cannot be used: {}",
            words(version, "model"),
            words(version, "name"),
            error["message"].as_str().unwrap_or("the build failed")
        ));
        let traceback = words(error, "traceback").trim_end();
        if !traceback.is_empty() && !self.log.contains(traceback) {
            print::say(traceback);
        }
        let hint = error["hint"]
            .as_str()
            .unwrap_or("correct it and push again; the live version, if any, goes on as it was");
        print::say(&format!("hint: {hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_not_part_of_the_log_that_is_shown() {
        assert_eq!(without_failure("--- loading\nhi\n"), "--- loading\nhi\n");
        assert_eq!(
            without_failure("--- loading\n--- failed: no\nTraceback\n"),
            "--- loading\n"
        );
        assert_eq!(without_failure("--- failed: no\n"), "");
    }

    #[test]
    fn what_was_shown_is_not_shown_again() {
        assert_eq!(gained("", "a\nb\n"), "a\nb\n");
        assert_eq!(gained("a\n", "a\nb\n"), "b\n");
        let lines = |from: u32, to: u32| (from..to).map(|n| format!("line {n}\n"));
        let shown: String = lines(0, 300).collect();
        let log: String = std::iter::once("line 0\n[90 lines left out]\n".to_owned())
            .chain(lines(91, 302))
            .collect();
        assert_eq!(gained(&shown, &log), "line 300\nline 301\n");
    }
}
