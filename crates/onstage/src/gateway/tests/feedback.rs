//! Feedback: one per person and prediction, read by the owner, as a list and as a table.

use super::{
    predictions::{PATH, THING},
    world::World,
};
use http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feedback_is_one_per_person_and_read_by_the_owner() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let made = world
        .post(PATH)
        .json(&json!({"input": {"n": 7}}))
        .send()
        .await
        .is(201)
        .json();
    let path = format!("/v1/predictions/{}/feedback", made["id"].as_str().unwrap());
    let give = |token: &str, body: Value| {
        world
            .ask(Method::POST, &path)
            .bearer(token)
            .json(&body)
            .send()
    };
    give(&world.stakeholder, json!({"rating": 1})).await.is(201);
    give(
        &world.stakeholder,
        json!({"rating": -1, "comment": "=HYPERLINK(1)", "correction": 15}),
    )
    .await
    .is(201);
    give(&world.owner, json!({"rating": 1})).await.is(201);
    give(&world.owner, json!({"comment": "and a word"}))
        .await
        .is(201);
    for wrong in [
        json!({"rating": 2}),
        json!({}),
        json!({"rating": "up"}),
        json!({"comment": "x".repeat(10_001)}),
    ] {
        assert_eq!(give(&world.owner, wrong).await.status, 422);
    }
    let listed = world
        .get("/v1/feedback?model=lab/thing")
        .send()
        .await
        .is(200)
        .json();
    let rows = listed["results"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{listed}");
    let theirs = rows.iter().find(|row| row["rating"] == -1).unwrap();
    assert_eq!(theirs["correction"], 15);
    let ours = rows.iter().find(|row| row["rating"] == 1).unwrap();
    assert_eq!(ours["comment"], "and a word", "a word takes no rating back");
    assert_eq!(
        (&theirs["input"], &theirs["output"]),
        (&json!({"n": 7}), &json!(14))
    );
    let get = world
        .ask(Method::GET, path.trim_end_matches("/feedback"))
        .bearer(&world.stakeholder);
    assert_eq!(get.send().await.json()["feedback"]["rating"], -1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feedback_is_a_table_that_a_spreadsheet_opens_safely() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let made = world
        .post(PATH)
        .json(&json!({}))
        .send()
        .await
        .is(201)
        .json();
    let path = format!("/v1/predictions/{}/feedback", made["id"].as_str().unwrap());
    let said = json!({"rating": -1, "comment": "=HYPERLINK(1)"});
    world.post(&path).json(&said).send().await.is(201);
    let table = world.get("/v1/feedback?format=csv").send().await.is(200);
    assert!(
        table
            .header("content-disposition")
            .starts_with("attachment")
    );
    let mut reader = csv::Reader::from_reader(&table.body[..]);
    let comments: Vec<String> = reader
        .records()
        .map(|row| row.unwrap()[5].to_owned())
        .collect();
    assert!(
        comments.contains(&"'=HYPERLINK(1)".to_owned()),
        "{comments:?}"
    );
    world
        .get("/v1/feedback?since=2999-01-01")
        .send()
        .await
        .is(200);
    world
        .get("/v1/feedback?since=soon")
        .send()
        .await
        .problem(400, "invalid_query");
}
