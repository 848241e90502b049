//! Lists in pages: their order and their cursors.

use super::world::World;
use http::Method;
use serde_json::{Value, json};

const THING: &str = "
import onstage as on

@on.predict
def thing(n: int) -> int:
    return n
";

/// Within one, lists are ordered by id.
async fn another_millisecond(world: &World) {
    let clock = &world.parts.clock;
    let began = clock.now();
    while clock.now() == began {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_a_client_chose_does_not_stay_on_top() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let path = "/v1/models/lab/thing/predictions";
    let put = |id: &str, n: u32, prefer: &str| {
        let ask = world
            .ask(Method::PUT, &format!("/v1/predictions/{id}"))
            .bearer(&world.owner);
        ask.header("prefer", prefer)
            .json(&json!({"model": "lab/thing", "input": {"n": n}}))
            .send()
    };
    put("zzzzzzzz-mine", 1, "wait=20").await;
    another_millisecond(&world).await;
    put("zzzzzzzz-later", 2, "respond-async").await;
    another_millisecond(&world).await;
    for n in [3, 4] {
        let ask = world.post(path).json(&json!({"input": {"n": n}}));
        ask.send().await.is(201);
    }
    world
        .until("all are listed", async || {
            let all = world.get("/v1/predictions").send().await.json();
            (all["results"].as_array().unwrap().len() == 4).then_some(())
        })
        .await;
    let (mut seen, mut next) = (Vec::new(), "/v1/predictions?limit=1".to_owned());
    while seen.len() < 9 {
        let page = world.get(&next).send().await.is(200).json();
        let rows = page["results"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["input"]["n"].clone()));
        match page["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, [4, 3, 2, 1].map(Value::from));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_cursor_is_refused_in_every_list() {
    let world = World::new().await;
    for list in [
        "predictions",
        "jobs",
        "batches",
        "tasks",
        "tokens",
        "feedback",
        "files",
    ] {
        for cursor in ["nonsense", "-", "12-"] {
            let path = format!("/v1/{list}?cursor={cursor}");
            let refused = world.get(&path).send().await;
            refused.problem(400, "invalid_query");
        }
        let path = format!("/v1/{list}?cursor=1764000000000-abcdefgh");
        world.get(&path).send().await.is(200);
    }
}
