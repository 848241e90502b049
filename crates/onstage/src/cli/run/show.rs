//! Showing a prediction's record: its output on standard output, its failure on standard error.
//! Does not wait for it.

use super::{Asked, rerun, tell_unfinished};
use crate::{
    cli::{caller::Caller, exit::Failure, jobs::is_final, print, push::words, render, when},
    client::Client,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use onstage_core::{Error, Result};
use serde_json::Value;
use std::{path::Path, sync::Arc};

/// Prints the record as far as it has come; a failed one is an error.
pub(super) async fn record(
    caller: &Caller,
    client: &Client,
    asked: &Asked,
    record: &Value,
    out: Option<&Path>,
) -> Result<(), Failure> {
    if caller.json {
        print::json(record)?;
    }
    match words(record, "status") {
        "succeeded" => {
            if let Some(path) = out {
                save(client, &record["output"], &caller.path(path)).await?;
                print::say(&format!("wrote {}", path.display()));
            } else if caller.json || asked.streams {
                // Printed already: as JSON, or piece by piece as it came.
            } else {
                output(caller, client, asked, &record["output"]).await?;
            }
            tell_times(caller, record);
            Ok(())
        }
        _ if is_final(record) => Err(tell_failure(record)),
        _ if caller.json => Ok(()),
        _ => tell_unfinished(record),
    }
}

/// On a screen, drawn by its type; into a pipe, text and files as they are and the rest as JSON.
async fn output(
    caller: &Caller,
    client: &Client,
    asked: &Asked,
    output: &Value,
) -> Result<(), Failure> {
    if caller.screen {
        let empty = Value::Null;
        let schema = asked.schemas.get("Output").unwrap_or(&empty);
        return render::output(output, schema, &asked.schemas);
    }
    match output.as_str() {
        Some(text) if asked.streams || !is_link(asked) => print::line(text),
        Some(link) => print::bytes(&bytes(client, link).await?),
        None => print::json(output),
    }
}

/// Whether the output as a whole is a file.
fn is_link(asked: &Asked) -> bool {
    asked
        .schemas
        .get("Output")
        .and_then(|schema| schema["format"].as_str())
        == Some("uri")
}

async fn save(client: &Client, output: &Value, path: &Path) -> Result<()> {
    let cannot = |error| {
        Error::invalid(format!("file `{}` cannot be written", path.display())).because(error)
    };
    let bytes = match output.as_str() {
        Some(link) if link.starts_with("data:") => data_url(link)?,
        Some(link) if link.starts_with("/v1/files/") || link.starts_with(&client.url()) => {
            return client
                .download(link, path, Arc::new(|_| {}))
                .await
                .map(drop);
        }
        Some(text) => text.as_bytes().to_vec(),
        None => {
            let mut json = serde_json::to_vec_pretty(output).expect("a JSON value is always JSON");
            json.push(b'\n');
            json
        }
    };
    std::fs::write(path, bytes).map_err(cannot)
}

async fn bytes(client: &Client, link: &str) -> Result<Vec<u8>> {
    if link.starts_with("data:") {
        return data_url(link);
    }
    let response = client
        .send(client.request(reqwest::Method::GET, link))
        .await?;
    let bytes = response
        .bytes()
        .await
        .map_err(|error| client.unreachable(error))?;
    Ok(bytes.to_vec())
}

fn data_url(url: &str) -> Result<Vec<u8>> {
    let wrong = || Error::internal("the server sent a data URL that cannot be read");
    let (head, body) = url.split_once(',').ok_or_else(wrong)?;
    if head.ends_with(";base64") {
        BASE64_STANDARD.decode(body).map_err(|_| wrong())
    } else {
        Ok(body.as_bytes().to_vec())
    }
}

fn tell_times(caller: &Caller, record: &Value) {
    if !caller.screen || caller.json {
        return;
    }
    let took = when::seconds(&record["metrics"]["predict_time"]);
    let version = record["version_number"]
        .as_u64()
        .map_or(String::new(), |n| format!(" v{n}"));
    if !took.is_empty() {
        print::say(&format!("{}{version} in {took}", words(record, "model")));
    }
}

fn tell_failure(record: &Value) -> Failure {
    if let Some(traceback) = record["traceback"].as_str() {
        print::say(traceback.trim_end());
    }
    let status = words(record, "status");
    let message = match record["error"].as_str() {
        Some(error) => error.to_owned(),
        None => format!("the prediction {status}"),
    };
    let error = Error::user_code(message);
    print::error(&match rerun::hint(record) {
        Some(hint) => error.hint(hint),
        None => error,
    });
    Failure::Told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_opened() {
        assert_eq!(data_url("data:text/plain;base64,aGk=").unwrap(), b"hi");
        assert_eq!(data_url("data:,hi").unwrap(), b"hi");
        assert!(data_url("data:text/plain;base64,!").is_err());
    }
}
