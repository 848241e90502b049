//! How what was printed is shown: text under a line that says whose it is, or one JSON value a line.
//! Does not wait for anything.

use crate::{
    cli::{caller::Caller, exit::Failure, print, push::words},
    client::Client,
};
use onstage_core::Result;
use serde_json::{Value, json};
use std::cell::RefCell;

/// Where lines of several sources go.
pub(super) struct Screen {
    json: bool,
    /// There is only one source: nobody has to be told whose the lines are.
    bare: bool,
    /// Whose line was the last.
    last: RefCell<String>,
}

impl Screen {
    pub(super) fn new(caller: &Caller) -> Self {
        Self {
            json: caller.json,
            bare: false,
            last: RefCell::default(),
        }
    }

    /// For the lines of one only.
    pub(super) fn of_one(caller: &Caller) -> Self {
        Self {
            bare: true,
            ..Self::new(caller)
        }
    }

    /// What one printed so far, without how it stands.
    pub(super) fn logs(&self, record: &Value) -> Result<(), Failure> {
        if self.json {
            return print::line(&record.to_string());
        }
        let (error, traceback) = failure(record);
        texts(&[words(record, "logs").trim_end(), traceback, error])
    }

    /// Says whose lines follow, unless those before were theirs too.
    fn head(&self, id: &str, head: impl FnOnce() -> String) {
        if !self.bare && *self.last.borrow() != id {
            print::say(&head());
            id.clone_into(&mut self.last.borrow_mut());
        }
    }

    /// A line of one that runs.
    pub(super) fn line_of(&self, record: &Value, data: &Value) -> Result<(), Failure> {
        if self.json {
            let mut line = data.clone();
            line["event"] = "log".into();
            return print::line(&line.to_string());
        }
        self.head(words(record, "id"), || head(record, "running"));
        print::line(words(data, "data").trim_end())
    }

    /// How one ended whose lines were shown.
    pub(super) fn end(&self, record: &Value, ended: &Value) -> Result<(), Failure> {
        if self.json {
            return print::line(&ended.to_string());
        }
        let (error, traceback) = failure(ended);
        if error.is_empty() || self.bare {
            return Ok(());
        }
        self.head(words(record, "id"), || head(record, words(ended, "status")));
        texts(&[traceback, error])
    }

    /// What a build printed.
    pub(super) fn build(
        &self,
        model: &str,
        version: &Value,
        log: &str,
        first: bool,
    ) -> Result<(), Failure> {
        let (name, state) = (words(version, "name"), words(version, "state"));
        if self.json {
            let line = json!({"kind": "build", "model": model, "version": words(version, "id"), "name": name, "state": state, "logs": log});
            return print::line(&line.to_string());
        }
        if log.trim().is_empty() {
            return Ok(());
        }
        if first {
            self.last.borrow_mut().clear();
        }
        self.head(words(version, "id"), || {
            format!("--- {model} {name}: {state}")
        });
        print::line(log.trim_end())
    }

    /// What one that has ended had printed.
    pub(super) fn whole(&self, record: &Value) -> Result<(), Failure> {
        if self.json {
            return print::line(&record.to_string());
        }
        let (error, traceback) = failure(record);
        let logs = words(record, "logs").trim_end();
        if logs.is_empty() && error.is_empty() {
            return Ok(());
        }
        self.head(words(record, "id"), || {
            head(record, words(record, "status"))
        });
        texts(&[logs, traceback, error])
    }
}

/// Fetches what a list leaves out, and shows it.
pub(super) async fn ended(client: &Client, screen: &Screen, record: &Value) -> Result<(), Failure> {
    let path = path(record);
    let is_job = record["urls"]["record"].is_string();
    let mut record = match is_job {
        // The list of jobs has neither its words for people nor its log.
        true => client.get(&path).await?,
        false => record.clone(),
    };
    if words(&record, "logs").is_empty() && (is_job || record["kind"] == "background") {
        record["logs"] = client.get_text(&format!("{path}/logs")).await?.into();
    }
    screen.whole(&record)
}

/// Where a prediction, batch job or training lies; a row of the list of jobs names its record.
pub(super) fn path(record: &Value) -> String {
    let urls = &record["urls"];
    let url = urls["record"].as_str().or(urls["get"].as_str());
    let path = url.and_then(|url| url.find("/v1/").map(|at| url[at..].to_owned()));
    path.unwrap_or_else(|| format!("/v1/predictions/{}", words(record, "id")))
}

fn head(record: &Value, status: &str) -> String {
    format!(
        "--- {} {} {}: {status}",
        words(record, "created_at"),
        words(record, "model"),
        words(record, "id"),
    )
}

fn failure(record: &Value) -> (&str, &str) {
    (
        words(record, "error"),
        words(record, "traceback").trim_end(),
    )
}

fn texts(texts: &[&str]) -> Result<(), Failure> {
    texts
        .iter()
        .filter(|text| !text.is_empty())
        .try_for_each(|text| print::line(text))
}
