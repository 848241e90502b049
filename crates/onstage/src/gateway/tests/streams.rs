//! Event streams and long polls.

use super::{ask::Ask, world::World};
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

const COUNT: &str = "
import time
from typing import Iterator
import onstage as on

@on.predict
def count(n: int, pause: float = 0) -> Iterator[str]:
    print('counting')
    for number in range(n):
        time.sleep(pause)
        yield str(number)
";
const PATH: &str = "/v1/models/lab/count/predictions";
/// Longer than between two looks of a stream.
const QUIET: Duration = Duration::from_millis(500);

/// The events of a whole stream: id, name, data.
async fn events(ask: Ask<'_>) -> Vec<(String, String, String)> {
    let response = ask.open().await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.into_body().collect().await.unwrap().to_bytes();
    parse(std::str::from_utf8(&text).unwrap())
}

fn parse(text: &str) -> Vec<(String, String, String)> {
    text.split("\n\n")
        .filter_map(|block| {
            let field = |name: &str| {
                let lines: Vec<&str> = block
                    .lines()
                    .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    .collect();
                lines.join("\n")
            };
            let event = (field("id"), field("event"), field("data"));
            (!event.1.is_empty()).then_some(event)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prediction_can_be_watched_from_its_start() {
    let world = World::new().await;
    world.live("lab/count", COUNT).await;
    let ask = world.post(PATH).header("accept", "text/event-stream");
    let seen = events(ask.json(&json!({"input": {"n": 3}}))).await;
    let names: Vec<&str> = seen.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(
        names.iter().filter(|name| **name == "output").count(),
        3,
        "{names:?}"
    );
    assert_eq!(names.last(), Some(&"completed"));
    let numbers: Vec<u64> = seen.iter().map(|(id, _, _)| id.parse().unwrap()).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
    let last: Value = serde_json::from_str(&seen.last().unwrap().2).unwrap();
    assert_eq!(last["record"]["output"], json!(["0", "1", "2"]));
    assert!(seen.iter().all(|(_, _, data)| {
        let data: Value = serde_json::from_str(data).unwrap();
        data["t"].as_str().is_some_and(|t| t.ends_with('Z')) && data["id"].is_string()
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_where_it_broke() {
    let world = World::new().await;
    world.live("lab/count", COUNT).await;
    let ask = world
        .post(PATH)
        .json(&json!({"input": {"n": 5, "pause": 0.1}, "stream": true}));
    let made = ask.send().await.is(202).json();
    let path = format!("/v1/predictions/{}/events", made["id"].as_str().unwrap());
    let whole = events(world.get(&path)).await;
    let outputs = |seen: &[(String, String, String)]| {
        seen.iter().filter(|(_, name, _)| name == "output").count()
    };
    assert_eq!(outputs(&whole), 5, "{whole:?}");
    let middle = whole.len() / 2;
    let rest = events(world.get(&path).header("last-event-id", &whole[middle].0)).await;
    assert_eq!(outputs(&rest), outputs(&whole[middle + 1..]), "{rest:?}");
    assert!(
        rest.iter()
            .all(|(id, ..)| id.parse::<u64>().unwrap() > whole[middle].0.parse().unwrap())
    );
    // The same by long poll.
    let mut after = 0;
    let mut polled = Vec::new();
    loop {
        let ask = world
            .get(&format!("{path}?after={after}&wait=5"))
            .header("accept", "application/json");
        let page = ask.send().await.is(200).json();
        polled.extend(
            page["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["event"].clone()),
        );
        after = page["next"].as_u64().unwrap();
        if page["final"] == true {
            break;
        }
    }
    let names: Vec<Value> = whole.iter().map(|(_, name, _)| json!(name)).collect();
    assert_eq!(polled, names);
}

/// What comes until nothing does for a while.
async fn read_on(body: &mut Body) -> String {
    let mut text = String::new();
    while let Ok(Some(frame)) = tokio::time::timeout(QUIET, body.frame()).await {
        let data = frame.unwrap().into_data().unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_is_to_be_a_jobs_is_not_told_and_breaks_no_stream() {
    let world = World::new().await;
    world.live("lab/count", COUNT).await;
    let ask = world.post(PATH).header("accept", "text/event-stream");
    let ask = ask.json(&json!({"input": {"n": 2, "pause": 0.4}}));
    let mut body = ask.open().await.into_body();
    let mut first = Vec::new();
    while first.is_empty() {
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        first = parse(std::str::from_utf8(&data).unwrap());
    }
    let event: Value = serde_json::from_str(&first[0].2).unwrap();
    let ticket = world
        .engine
        .find(&event["id"].as_str().unwrap().parse().unwrap());
    let ticket = ticket.unwrap();
    ticket.hand_over();
    ticket.done().await;
    let before = read_on(&mut body).await;
    assert!(!before.contains("event: completed"), "{before}");
    // No job came of it.
    world.engine.keep(&ticket);
    let after = body.collect().await.unwrap().to_bytes();
    let after = parse(std::str::from_utf8(&after).unwrap());
    assert_eq!(after.last().unwrap().1, "completed", "{before}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_clients_read_their_own_stream() {
    let world = World::new().await;
    world.live("lab/count", COUNT).await;
    let ask = world
        .post(PATH)
        .json(&json!({"input": {"n": 3, "pause": 0.1}, "stream": true}));
    let made = ask.send().await.is(202).json();
    let path = made["urls"]["stream"].as_str().unwrap();
    let seen = events(world.get(path).header("accept", "text/event-stream")).await;
    let output: String = seen
        .iter()
        .filter(|(_, name, _)| name == "output")
        .map(|(_, _, data)| data.as_str())
        .collect();
    assert_eq!(output, "012", "{seen:?}");
    assert!(
        seen.iter().all(|(id, name, _)| {
            !id.is_empty() && ["output", "logs", "error", "done"].contains(&name.as_str())
        }),
        "{seen:?}"
    );
    assert_eq!(seen.last().unwrap().1, "done");
    // Read once more after the end, it says the same.
    let again = events(world.get(path)).await;
    let output: String = again
        .iter()
        .filter(|(_, name, _)| name == "output")
        .map(|(_, _, data)| data.as_str())
        .collect();
    assert!(output == "012" || output == r#"["0","1","2"]"#, "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_comes_at_the_end_is_not_lost_with_the_line() {
    let world = World::new().await;
    world.live("lab/thing", super::predictions::THING).await;
    let ask = world.post(super::predictions::PATH);
    let made = ask.json(&json!({"input": {"n": 4}})).send().await.is(201);
    let path = made.json()["urls"]["stream"].as_str().unwrap().to_owned();
    // The client saw a line of the log before its connection broke.
    let seen = events(world.get(&path).header("last-event-id", "1")).await;
    let output = seen.iter().find(|(_, name, _)| name == "output");
    assert_eq!(output.unwrap().2, "8", "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_when_the_server_stops() {
    let world = World::new().await;
    world.live("lab/count", COUNT).await;
    let ask = world
        .post(PATH)
        .json(&json!({"input": {"n": 1, "pause": 30}, "stream": true}));
    let made = ask.send().await.is(202).json();
    let path = format!("/v1/predictions/{}/events", made["id"].as_str().unwrap());
    let open: Body = world.get(&path).open().await.into_body();
    world.state.shutdown.cancel();
    let text = tokio::time::timeout(super::world::PATIENCE, open.collect())
        .await
        .unwrap()
        .unwrap()
        .to_bytes();
    assert!(!String::from_utf8_lossy(&text).contains("completed"));
    world.get("/readyz").send().await.problem(503, "not_ready");
}
