//! Batch jobs: from a table to its answers, with a task run in this process.

use super::{predictions::THING, world::World};
use http::Method;
use onstage_core::ModelName;
use onstage_engine::task::{TaskSettings, run_task};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PATH: &str = "/v1/models/lab/thing/batches";
const TABLE: &str = "N,do\n1,double\n2,double\n300,double\n4,crash\n";

/// Does what a task does until there is no more work.
pub(super) async fn drain(world: &World, name: &ModelName) {
    let live = world.engine.live(name).unwrap();
    let settings = TaskSettings {
        id: world.parts.new_id(),
        version: live.version.id.clone(),
        lane: onstage_core::task::Lane::Jobs,
        host: "test".to_owned(),
        pid: 1,
        tempdir: world.state.settings.tempdir.clone(),
        linger: Some(Duration::ZERO),
        stop_after: super::world::PATIENCE,
        cancel_grace: Duration::from_secs(1),
    };
    run_task(world.parts.clone(), settings, CancellationToken::new())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_previewed_and_forgotten() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let preview =
        world
            .post(&format!("{PATH}/preview"))
            .form(&[("table", Some("fish.csv"), TABLE)]);
    let preview = preview.send().await.is(200).json();
    assert_eq!(
        (&preview["format"], &preview["columns"]),
        (&json!("csv"), &json!(["N", "do"]))
    );
    assert_eq!(
        (&preview["map"]["n"], &preview["map"]["wait"]),
        (&json!("N"), &Value::Null)
    );
    assert_eq!(preview["rows"].as_array().unwrap().len(), 4);
    assert_eq!(
        world.parts.blobs.list("batches/").await.unwrap(),
        Vec::<String>::new()
    );
}

/// Starts a batch job of the table, drains it and answers its path.
async fn done(world: &World, name: &ModelName) -> String {
    let ask = world.post(PATH).form(&[
        ("table", Some("fish.csv"), TABLE),
        ("map", None, "{\"n\": \"N\"}"),
    ]);
    let reply = ask.send().await.is(202);
    let made = reply.json();
    let one = reply.header("location").to_owned();
    assert_eq!(
        (&made["status"], &made["queue"]["ahead"]),
        (&json!("starting"), &json!(0))
    );
    world
        .get(&format!("{one}/result"))
        .send()
        .await
        .problem(409, "no_result");
    drain(world, name).await;
    one
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_run_and_its_answers_fetched() {
    let world = World::new().await;
    let name = world.live("lab/thing", THING).await;
    let one = done(&world, &name).await;
    let done = world
        .get(&format!("{one}?wait=10"))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!(done["counts"], json!({"total": 4, "done": 2, "failed": 2}));
    assert_eq!(done["partial"], true);
    let result = world.get(&format!("{one}/result")).send().await.is(200);
    assert_eq!(result.header("content-type"), "text/csv");
    assert!(
        result
            .header("content-disposition")
            .contains("fish-thing-v1.csv")
    );
    assert_eq!(result.text().lines().count(), 5, "{}", result.text());
    let page = world
        .get(&format!("{one}/items?status=failed&limit=1"))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(page["results"][0]["index"], 2, "{page}");
    let next = world
        .get(page["next"].as_str().unwrap())
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(
        (&next["results"][0]["index"], &next["next"]),
        (&json!(3), &Value::Null)
    );
    let theirs = world
        .ask(Method::GET, &format!("{one}/items"))
        .bearer(&world.stakeholder);
    let theirs = theirs.send().await.is(200).text();
    assert!(!theirs.contains("the secret of the house"), "{theirs}");
    let events = world
        .get(&format!("{one}/events?after=0&wait=5"))
        .header("accept", "application/json");
    assert!(
        !events.send().await.is(200).json()["events"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_rows_are_run_again_as_a_new_job() {
    let world = World::new().await;
    let name = world.live("lab/thing", THING).await;
    let one = done(&world, &name).await;
    let retried = world
        .post(&format!("{one}/retry"))
        .json(&json!({"only": "failed"}))
        .send()
        .await
        .is(202)
        .json();
    assert!(!one.ends_with(retried["id"].as_str().unwrap()));
    drain(&world, &name).await;
    let again = format!("/v1/batches/{}?wait=10", retried["id"].as_str().unwrap());
    let again = world.get(&again).send().await.is(200).json();
    assert_eq!(
        again["counts"],
        json!({"total": 2, "done": 0, "failed": 2}),
        "{again}"
    );
    assert_eq!(
        world.get("/v1/batches?model=lab/thing").send().await.json()["results"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let jobs = world.get("/v1/jobs?kind=batch").send().await.is(200).json();
    assert_eq!(jobs["results"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_by_every_way_and_wrong_wishes() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let up = world
        .post("/v1/files")
        .form(&[("content", Some("fish.csv"), TABLE)]);
    let up = up.send().await.is(201).json();
    let table = format!("onstage://files/{}", up["id"].as_str().unwrap());
    let data = "data:text/csv,n%0A1%0A";
    for wish in [
        json!({"table": table}),
        json!({"table": data}),
        json!({"table": up["urls"]["get"], "limit": 1}),
    ] {
        world.post(PATH).json(&wish).send().await.is(202);
    }
    for (wish, pointer) in [
        (json!({}), "/table"),
        (json!({"table": "http://evil.example/a.csv"}), "/table"),
        (json!({"table": table, "format": "xls"}), "/format"),
        (json!({"table": "data:,x"}), "/format"),
        (json!({"table": table, "map": {"m": "N"}}), "/map/m"),
    ] {
        let problem = world
            .post(PATH)
            .json(&wish)
            .send()
            .await
            .problem(422, "invalid_input");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{wish}");
    }
    let missing = world
        .post(PATH)
        .json(&json!({"table": "onstage://files/nothing-here"}));
    missing.send().await.problem(404, "not_found");
    let broken =
        world
            .post(&format!("{PATH}/preview"))
            .form(&[("table", Some("a.parquet"), "no parquet")]);
    broken.send().await.problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_batch_can_be_cancelled_by_who_asked() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let made = world
        .post(PATH)
        .json(&json!({"table": "data:text/csv,n%0A1%0A"}))
        .send()
        .await
        .is(202)
        .json();
    let path = made["urls"]["cancel"].as_str().unwrap();
    world
        .ask(Method::POST, path)
        .bearer(&world.stakeholder)
        .send()
        .await
        .problem(403, "not_yours");
    assert_eq!(
        world.post(path).send().await.is(200).json()["status"],
        "canceled"
    );
    assert_eq!(
        world.post(path).send().await.is(200).json()["status"],
        "canceled"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_background_prediction_is_a_job() {
    let world = World::new().await;
    let code = THING.replace("@on.predict", "@on.predict(background=True)");
    let name = world.live("lab/thing", &code).await;
    let ask = world
        .post("/v1/models/lab/thing/predictions")
        .json(&json!({"input": {"n": 4}}));
    let made = ask.send().await.is(202).json();
    assert_eq!(
        (&made["kind"], &made["status"]),
        (&json!("background"), &json!("starting"))
    );
    drain(&world, &name).await;
    let path = format!("/v1/predictions/{}?wait=10", made["id"].as_str().unwrap());
    let done = world.get(&path).send().await.is(200).json();
    assert_eq!(
        (&done["output"], &done["logs"]),
        (&json!(8), &json!("doing double\n"))
    );
    let retry = world.post(&format!("/v1/jobs/{}/retry", made["id"].as_str().unwrap()));
    assert_ne!(retry.send().await.is(202).json()["id"], made["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_or_repeated_table_leaves_nothing() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let ask = |map: &'static str| {
        let form = [("table", Some("fish.csv"), TABLE), ("map", None, map)];
        world.post(PATH).header("idempotency-key", map).form(&form)
    };
    ask("{\"nope\": \"N\"}")
        .send()
        .await
        .problem(422, "invalid_input");
    let blobs = world.parts.blobs.list("batches/").await.unwrap();
    assert_eq!(blobs, Vec::<String>::new());
    let good = "{\"n\": \"N\"}";
    let first = ask(good).send().await.is(202).json();
    let second = ask(good).send().await.is(202).json();
    assert_eq!(first["id"], second["id"]);
    let blobs = world.parts.blobs.list("batches/").await.unwrap();
    assert_eq!(blobs.len(), 1, "{blobs:?}");
}
