//! Tables that are wrong in the ways tables are: row by row where only rows are wrong, in one sentence where all is.

use crate::world::{World, text};
use serde_json::{Value, json};

const HALF: &str = "import onstage as on\n\n@on.predict\ndef half(x: int = on.Input(ge=0)) -> float:\n    if x == 13:\n        raise on.UserError('13 is unlucky')\n    return x / 2\n";

async fn run(world: &World, name: &str, table: impl Into<Vec<u8>>) -> (u16, Value) {
    let (status, batch) = world.batch("half", name, table, json!({})).await;
    match batch["id"].as_str() {
        Some(id) => (status, world.finished(&format!("/v1/batches/{id}")).await),
        None => (status, batch),
    }
}

#[tokio::test]
async fn bad_rows_are_reported_and_the_good_ones_answered() {
    let world = World::start().await;
    world.push("half", HALF, &[]).await;
    let (_, batch) = run(&world, "t.csv", "x,note\n4,a\nmany,b\n-1,c\n13,d\n6\n8,e\n").await;
    assert_eq!(batch["status"], "succeeded", "{batch:#}");
    assert_eq!(
        (&batch["counts"]["done"], &batch["counts"]["failed"]),
        (&json!(2), &json!(4)),
        "{batch:#}"
    );
    assert_eq!(batch["partial"], true, "{batch:#}");
    let id = batch["id"].as_str().unwrap();
    let (_, items) = world
        .get(&format!("/v1/batches/{id}/items?status=failed"))
        .await;
    let indices: Vec<i64> = items["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["index"].as_i64())
        .collect();
    assert_eq!(indices, [1, 2, 3, 4], "{items:#}");
    assert!(items.to_string().contains("13 is unlucky"), "{items:#}");
    let (_, result) = world.get(&format!("/v1/batches/{id}/result")).await;
    let lines: Vec<&str> = result.as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 7, "{result}");
    assert!(
        lines[0].starts_with("x,note,answer") && lines[1].starts_with("4,a,2"),
        "{result}"
    );
    world.close().await;
}

#[tokio::test]
async fn what_is_misspelt_is_told_and_so_is_why_by_id() {
    let world = World::start().await;
    world.push("half", HALF, &[]).await;
    std::fs::write(world.folder.path().join("t.csv"), "x\n4\n").unwrap();
    let refused = world
        .run(&["batch", "half", "t.csv", "--label", "spec"])
        .await;
    let said = text(&refused.stderr);
    assert!(
        said.contains("`spec`") && said.contains("--label"),
        "{said}"
    );
    let (_, jobs) = world.get("/v1/batches").await;
    let id = jobs["results"][0]["id"].as_str().unwrap();
    let log = world.ok(&["logs", id]).await;
    assert!(log.contains("no column `spec`"), "{log}");
    let wish = json!({"table": "onstage://datasets/t", "lable": "x"});
    let (status, problem) = world.post("/v1/models/lab/half/batches", &wish).await;
    assert_eq!(status, 422, "{problem:#}");
    assert!(
        problem["detail"].as_str().unwrap().contains("`lable`"),
        "{problem:#}"
    );
    world.close().await;
}

#[tokio::test]
async fn tables_that_are_none_are_refused_in_one_sentence() {
    let world = World::start().await;
    world.push("half", HALF, &[]).await;
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("x\n1\n".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    for (name, table, word) in [
        ("t.csv", b"y\n1\n".to_vec(), "x"),
        ("t.csv", utf16, "UTF-8"),
        ("t.csv", Vec::new(), "empty"),
        ("t.parquet", b"not parquet".to_vec(), "arquet"),
        ("t.feather", b"not arrow".to_vec(), "Arrow"),
    ] {
        let (status, answer) = run(&world, name, table).await;
        let refused = status >= 400 || answer["status"] == "failed";
        assert!(
            refused && answer.to_string().contains(word),
            "{name} should say `{word}`: {status} {answer:#}"
        );
    }
    let (_, batch) = run(&world, "t.csv", "x\n").await;
    assert!(
        batch["error"].as_str().unwrap().contains("no rows"),
        "{batch:#}"
    );
    world.close().await;
}

/// The result's bytes of a batch of three rows that all have an answer.
async fn result_of(world: &World, batch: &Value) -> Vec<u8> {
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    let batch = world.finished(&path).await;
    assert_eq!(batch["counts"]["done"], 3, "{batch:#}");
    let result = world.request(reqwest::Method::GET, &format!("{path}/result"));
    let result = result.send().await.unwrap().error_for_status().unwrap();
    result.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn json_lines_and_arrow_come_back_as_they_went() {
    let world = World::start().await;
    world.push("half", HALF, &[]).await;
    let (_, batch) = run(&world, "t.jsonl", "{\"x\": 4}\nnot json\n{\"x\": 5}\n").await;
    assert_eq!(
        (&batch["counts"]["done"], &batch["counts"]["failed"]),
        (&json!(2), &json!(1)),
        "{batch:#}"
    );
    let (_, result) = world
        .get(&format!(
            "/v1/batches/{}/result",
            batch["id"].as_str().unwrap()
        ))
        .await;
    let first: Value =
        serde_json::from_str(result.as_str().unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(first["answer"], 2.0, "{result}");

    // Columns `n` and `kind`, three rows.
    let table = include_bytes!("../../../backends/src/tables/golden/stream.arrow");
    let map = json!({"map": {"x": "n"}});
    let (_, batch) = world.batch("half", "t.feather", *table, map.clone()).await;
    let result = result_of(&world, &batch).await;
    assert!(result.starts_with(b"ARROW1"), "{result:?}");
    // With its answers it is a table as well.
    let (_, batch) = world.batch("half", "answered.arrow", result, map).await;
    result_of(&world, &batch).await;
    world.close().await;
}
