//! Streams: pieces of an output as they come, numbered events that can be taken up again.

use crate::world::World;
use futures::StreamExt as _;
use serde_json::{Value, json};

const WORDS: &str = "import onstage as on, time\nfrom typing import Iterator\n\n@on.predict\ndef words(n: int) -> Iterator[str]:\n    for i in range(n):\n        yield f'word{i} '\n        time.sleep(0.02)\n";

/// Reads server-sent events until the stream ends: (id, event, data).
async fn events(request: reqwest::RequestBuilder) -> Vec<(u64, String, Value)> {
    let response = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .split(';')
            .next(),
        Some("text/event-stream")
    );
    let mut all = String::new();
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        all.push_str(&String::from_utf8_lossy(&bytes.unwrap()));
    }
    all.split("\n\n").filter_map(parse).collect()
}

fn parse(block: &str) -> Option<(u64, String, Value)> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    Some((
        field("id:")?.parse().ok()?,
        field("event:")?.to_owned(),
        serde_json::from_str(field("data:")?).ok()?,
    ))
}

#[tokio::test]
async fn an_output_streams_and_its_events_can_be_taken_up_again() {
    let world = World::start().await;
    world.push("words", WORDS, &[]).await;
    let request = world
        .request(reqwest::Method::POST, "/v1/models/lab/words/predictions")
        .json(&json!({"input": {"n": 5}}));
    let all = events(request).await;
    let pieces: String = all
        .iter()
        .filter(|(_, name, _)| name == "output")
        .filter_map(|(_, _, data)| data["chunk"].as_str())
        .collect();
    assert_eq!(pieces, "word0 word1 word2 word3 word4 ", "{all:?}");
    let (_, name, data) = all.last().unwrap();
    assert_eq!(
        (name.as_str(), &data["record"]["status"]),
        ("completed", &json!("succeeded")),
        "{all:?}"
    );
    let (status, answer) = world.predict("words", json!({"n": 3})).await;
    assert_eq!(
        (status, &answer["output"]),
        (201, &json!(["word0 ", "word1 ", "word2 "])),
        "{answer:#}"
    );
    world.close().await;
}

#[tokio::test]
async fn a_jobs_events_are_numbered_and_resume_after_the_last_one_seen() {
    let world = World::start().await;
    let code = "import onstage as on, time\n\n@on.predict(background=True)\ndef f(*, ctx: on.Ctx) -> int:\n    for i in range(5):\n        ctx.progress(i, 5, f'step {i}')\n        time.sleep(0.3)\n    return 1\n";
    world.push("job", code, &[]).await;
    let (_, made) = world.predict("job", json!({})).await;
    let path = format!("/v1/predictions/{}/events", made["id"].as_str().unwrap());
    let all = events(world.request(reqwest::Method::GET, &path)).await;
    assert_eq!(all.last().unwrap().1, "completed", "{all:?}");
    let middle = all[all.len() / 2].0;
    let rest = events(
        world
            .request(reqwest::Method::GET, &path)
            .header("last-event-id", middle.to_string()),
    )
    .await;
    let expected: Vec<u64> = all
        .iter()
        .map(|(id, ..)| *id)
        .filter(|id| *id > middle)
        .collect();
    assert_eq!(
        rest.iter().map(|(id, ..)| *id).collect::<Vec<_>>(),
        expected
    );
    world.close().await;
}
