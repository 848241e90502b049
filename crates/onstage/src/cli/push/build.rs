//! A version on its way: its phases and the lines of its log shown until it is ready, live or has failed.
//! Does not upload it.

use super::words;
use crate::{
    cli::{bars::Bar, print},
    client::{Away, Client},
};
use onstage_core::{Error, ModelName, Result};
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
    if let Some(gained) = log.get(shown.len()..).filter(|gained| !gained.is_empty()) {
        bar.line(gained.trim_end_matches('\n'));
        *shown = log;
    }
}

impl Built {
    pub(in crate::cli) fn failed(&self) -> bool {
        self.version["state"] == "failed"
    }

    /// Tells why a version could not be built, the author's traceback first.
    pub(in crate::cli) fn tell_failure(&self) {
        let version = &self.version;
        let error = &version["error"];
        if let Some(traceback) = error["traceback"].as_str()
            && !self.log.contains(traceback.trim_end())
        {
            print::say(traceback.trim_end());
        }
        let said = Error::user_code(format!(
            "{} {} cannot be used: {}",
            words(version, "model"),
            words(version, "name"),
            error["message"].as_str().unwrap_or("the build failed")
        ));
        let missing = error["message"]
            .as_str()
            .is_some_and(|message| message.contains("No module named"));
        print::error(&match error["hint"].as_str() {
            Some(hint) => said.hint(hint),
            None if missing => said.hint(
                "name the package in `requirements.txt` or in `[environment] requirements`, and push again",
            ),
            None => {
                said.hint("correct it and push again; the live version, if any, goes on as it was")
            }
        });
    }
}
