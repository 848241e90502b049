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
    give(&world.owner, json!({"rating": 1, "reason": "close"}))
        .await
        .is(201);
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
    assert_eq!(ours["reason"], "close", "nor its reason");
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

/// Three predictions, one found right, one corrected, one only found wrong.
async fn said(world: &World) {
    for (n, said) in [
        (1, json!({"rating": 1, "comment": "=1+1"})),
        (2, json!({"rating": -1, "correction": [20, 4]})),
        (3, json!({"rating": -1})),
    ] {
        let ask = world.post(PATH).json(&json!({"input": {"n": n}}));
        let made = ask.send().await.is(201).json();
        let path = format!("/v1/predictions/{}/feedback", made["id"].as_str().unwrap());
        world.post(&path).json(&said).send().await.is(201);
    }
}

async fn export(world: &World, more: Value) -> super::ask::Reply {
    let mut wish = json!({"model": "lab/thing", "dataset": "better"});
    let more = more.as_object().unwrap().clone();
    wish.as_object_mut().unwrap().extend(more);
    world.post("/v1/feedback/export").json(&wish).send().await
}

async fn content(world: &World, version: &Value) -> String {
    let path = version["urls"]["content"].as_str().unwrap();
    world.get(path).send().await.is(200).text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feedback_becomes_a_version_of_a_dataset() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let none = export(&world, json!({})).await;
    none.problem(422, "no_feedback");
    said(&world).await;
    let made = export(&world, json!({})).await.is(201).json();
    assert_eq!(
        (&made["reference"], &made["source"], &made["model"]),
        (&json!("better@v1"), &json!("feedback"), &json!("lab/thing"))
    );
    let text = content(&world, &made).await;
    let lines = text.lines().map(serde_json::from_str);
    let mut rows: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
    rows.sort_by_key(|row| row["input"]["n"].as_i64());
    let targets: Vec<&Value> = rows.iter().map(|row| &row["target"]).collect();
    assert_eq!(targets, [&rows[0]["output"], &json!([20, 4]), &Value::Null]);
    assert!(!rows[0]["output"].is_null(), "{rows:?}");
    assert_eq!(
        (&rows[0]["comment"], &rows[1]["correction"]),
        (&json!("=1+1"), &json!([20, 4]))
    );
    let again = export(&world, json!({})).await.is(200).json();
    assert_eq!(again, made, "nothing was said since");
    let later = export(&world, json!({"since": "2999-01-01"})).await;
    later.problem(422, "no_feedback");
    let odd = export(&world, json!({"format": "xml"})).await;
    odd.problem(422, "invalid_input");
    let odd = export(&world, json!({"dataset": "No"})).await;
    odd.problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feedback_as_csv_has_a_column_for_every_input() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    said(&world).await;
    let made = export(&world, json!({"format": "csv"})).await;
    let text = content(&world, &made.is(201).json()).await;
    let mut table = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(table.headers().unwrap().get(0), Some("input.n"));
    let rows = table.records().map(|row| row.unwrap());
    let cells: Vec<String> = rows
        .flat_map(|row| row.iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let has = |wanted: &str| cells.iter().any(|cell| cell.replace(' ', "") == wanted);
    assert!(has("[20,4]"), "{cells:?}");
    assert!(has("'=1+1"), "a spreadsheet must not run it");
}
