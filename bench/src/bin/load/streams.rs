//! Many readers of one event stream, and how late each event reached each of them.
//! The events carry when they were sent, by the clock of this machine.

use crate::{
    client::{self, Client, Fault},
    figures::Times,
    plan::Streams,
};
use http_body_util::BodyExt as _;
use serde::Serialize;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::task::LocalSet;

const STAMP: &str = "\"sent\":";
/// Events of the time before all streams were open say nothing of the fan-out.
const SETTLE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
pub(crate) struct Figures {
    /// Streams that got events.
    open: usize,
    late: Times,
    failed: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Seen {
    open: usize,
    late: Vec<f64>,
    failed: BTreeMap<String, usize>,
}

pub(crate) async fn run(plan: Streams) -> Figures {
    let client = Rc::new(Client::new(plan.ask, plan.streams));
    let seen = Rc::new(RefCell::new(Seen::default()));
    LocalSet::new()
        .run_until(async {
            let opened = open_all(&client, &seen, plan.streams).await;
            let from = wall_clock() + SETTLE.as_secs_f64();
            let end = client::now() + SETTLE + Duration::from_secs_f64(plan.seconds);
            for body in opened {
                let seen = seen.clone();
                client::spawn(async move {
                    let _ = tokio::time::timeout_at(end, read(body, from, &seen)).await;
                });
            }
            tokio::time::sleep_until(end).await;
        })
        .await;
    let seen = seen.take();
    Figures {
        open: seen.open,
        late: Times::of(seen.late),
        failed: seen.failed,
    }
}

async fn open_all(
    client: &Client,
    seen: &RefCell<Seen>,
    streams: usize,
) -> Vec<(client::Connection, hyper::body::Incoming)> {
    let mut opened = Vec::with_capacity(streams);
    for _ in 0..streams {
        let one = async {
            let mut connection = client.connect().await?;
            let response = client.begin_on(&mut connection).await?;
            match response.status().as_u16() {
                200 => Ok((connection, response.into_body())),
                status => Err(Fault::from(format!("answered {status}"))),
            }
        };
        match one.await {
            Ok(stream) => opened.push(stream),
            Err(fault) => {
                let mut seen = seen.borrow_mut();
                *seen.failed.entry(fault.to_string()).or_default() += 1;
            }
        }
    }
    opened
}

/// Reads one stream for ever. The connection is held: dropped, it would be closed.
async fn read(
    (_connection, mut body): (client::Connection, hyper::body::Incoming),
    from: f64,
    seen: &RefCell<Seen>,
) {
    let (mut line, mut is_new) = (String::new(), true);
    while let Some(Ok(frame)) = body.frame().await {
        let now = wall_clock();
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        line.push_str(&String::from_utf8_lossy(&piece));
        while let Some(end) = line.find('\n') {
            if let Some(sent) = stamp(&line[..end])
                && sent >= from
            {
                let mut seen = seen.borrow_mut();
                seen.late.push(now - sent);
                seen.open += usize::from(std::mem::take(&mut is_new));
            }
            line.drain(..=end);
        }
    }
    let mut seen = seen.borrow_mut();
    *seen.failed.entry("ended early".to_owned()).or_default() += 1;
}

fn stamp(line: &str) -> Option<f64> {
    let data = line.strip_prefix("data:")?;
    let rest = data[data.find(STAMP)? + STAMP.len()..].trim_start();
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a generator of load, not a part of Onstage"
)]
fn wall_clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_is_found_in_data_lines_only() {
        assert_eq!(
            stamp(r#"data: {"output": {"sent": 12.5}, "n": 3}"#),
            Some(12.5)
        );
        assert_eq!(stamp(r#"data: {"output":{"sent":12.5}}"#), Some(12.5));
        assert_eq!(stamp(r#"id: {"sent": 12.5}"#), None);
        assert_eq!(stamp("data: {}"), None);
    }
}
