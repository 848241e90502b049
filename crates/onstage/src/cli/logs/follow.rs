//! `onstage logs -f`: what is printed from now on, by everything that runs or begins, also across a restart of the server.
//! Does not know how a line looks; `show` does.

use super::show::{self, Screen};
use crate::{
    cli::{caller::Caller, exit::Failure, jobs, print, push, push::words},
    client::{Away, Client, follow},
};
use futures::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use onstage_core::{Error, Kind, Result};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// Between two looks for what is new.
const LOOK_PAUSE: Duration = Duration::from_millis(700);
/// Rows of one page of a look.
const PAGE_ROWS: usize = 100;
/// Pages of one look; what is beyond comes with the next.
const PAGES_MAX: usize = 50;
/// Ids that are remembered as seen.
const SEEN_MAX: usize = 20_000;
/// Running ones whose lines are shown as they come; of more, those of the others are shown when they have ended.
const RUNNING_MAX: usize = 20;

/// What has been shown, or was there before anybody looked.
#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<String>,
    /// Whatever is older than this is history. Ids sort by time.
    floor: String,
}

impl Seen {
    /// True the first time.
    fn is_new(&mut self, id: &str) -> bool {
        if id < self.floor.as_str() || !self.ids.insert(id.to_owned()) {
            return false;
        }
        if self.ids.len() > SEEN_MAX
            && let Some(oldest) = self.ids.pop_first()
        {
            // All ids are of one length, so this is just above it.
            self.floor = oldest + "~";
        }
        true
    }
}

/// The newest build, then predictions and jobs; ends only by Ctrl-C or when nobody reads.
pub(super) async fn all(
    caller: &Caller,
    client: &Client,
    model: Option<&str>,
    recent: usize,
) -> Result<(), Failure> {
    let screen = &Screen::new(caller);
    let mut work: FuturesUnordered<LocalBoxFuture<'_, Result<(), Failure>>> =
        FuturesUnordered::new();
    if let Some(model) = model {
        work.push(Box::pin(build(client, screen, model)));
    }
    let mut seen = Seen::default();
    let first = super::recent(client, model, recent).await?;
    seen.floor = first
        .first()
        .map(|record| words(record, "id").to_owned())
        .unwrap_or_default();
    let (mut news, mut away, mut running) = (first, Away::default(), 0);
    loop {
        for record in std::mem::take(&mut news) {
            let id = words(&record, "id").to_owned();
            if jobs::is_final(&record) {
                if seen.is_new(&id) {
                    show::ended(client, screen, &record).await?;
                }
            } else if running < RUNNING_MAX && seen.is_new(&id) {
                running += 1;
                work.push(Box::pin(one(client, screen, record)));
            }
        }
        let ended = tokio::select! {
            ended = work.next(), if !work.is_empty() => ended,
            () = tokio::time::sleep(LOOK_PAUSE) => None,
        };
        if let Some(ended) = ended {
            running = work.len();
            ended?;
            continue;
        }
        news = match look(client, model, &seen).await {
            Ok(news) => {
                away.is_back();
                news
            }
            Err(error) if away.rides_out(client, &error, print::say).await => Vec::new(),
            Err(error) => return Err(error.into()),
        };
    }
}

/// What is not seen yet, oldest first: page after page until one brings nothing new.
async fn look(client: &Client, model: Option<&str>, seen: &Seen) -> Result<Vec<Value>> {
    let mut news = Vec::new();
    for kind in super::lists(model, PAGE_ROWS) {
        let mut next = Some(kind);
        for _ in 0..PAGES_MAX {
            let Some(path) = next else { break };
            let mut page = client.get(&path).await?;
            next = page["next"].as_str().map(str::to_owned);
            let rows = match page["results"].take() {
                Value::Array(rows) => rows,
                _ => break,
            };
            let before = news.len();
            news.extend(rows.into_iter().filter(|row| {
                let id = words(row, "id");
                id >= seen.floor.as_str() && !seen.ids.contains(id)
            }));
            if news.len() == before {
                break;
            }
        }
    }
    news.sort_by(|a, b| words(a, "id").cmp(words(b, "id")));
    Ok(news)
}

/// The lines of one that runs, as they come, and how it ended.
pub(super) async fn one(client: &Client, screen: &Screen, record: Value) -> Result<(), Failure> {
    let path = show::path(&record);
    let mut closed = None;
    let ended = follow(client, &path, 0, |event| {
        if event.name == "log"
            && let Err(failure) = screen.line_of(&record, &event.data)
        {
            closed = Some(failure);
            return Err(Error::internal("nobody reads the log any more"));
        }
        Ok(())
    })
    .await;
    match (closed, ended) {
        (Some(failure), _) => Err(failure),
        (None, Ok(ended)) => screen.end(&record, &ended),
        // It was front-held and its front is gone, or somebody removed it.
        (None, Err(error)) if error.kind == Kind::NotFound => Ok(()),
        (None, Err(error)) => Err(error.into()),
    }
}

/// The newest version's log, as it grows while that is being built.
async fn build(client: &Client, screen: &Screen, model: &str) -> Result<(), Failure> {
    let (mut shown, mut away) = (String::new(), Away::default());
    loop {
        match super::newest(client, model).await {
            Ok(Some((version, log))) => {
                away.is_back();
                let building = version["state"] == "building";
                let gained = push::gained(&shown, &log);
                if !gained.is_empty() || !building {
                    screen.build(model, &version, gained, shown.is_empty())?;
                }
                if !building {
                    return Ok(());
                }
                shown = log;
            }
            Ok(None) => return Ok(()),
            Err(error) if away.rides_out(client, &error, |_| {}).await => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_twice_and_history_is_left_alone() {
        let mut seen = Seen {
            floor: "05".to_owned(),
            ..Seen::default()
        };
        assert!(!seen.is_new("04"));
        assert!(seen.is_new("06") && !seen.is_new("06"));
        for number in 0..SEEN_MAX {
            assert!(seen.is_new(&format!("1{number:09}")));
        }
        assert!(!seen.is_new("06"), "forgotten ids are history");
        assert!(seen.ids.len() <= SEEN_MAX);
    }
}
