//! Results that are fetched after the fact, and files that cannot be written refused before any work.

use crate::world::{World, text};
use std::fs;

const DOUBLED: &str = r#"
import onstage as on

@on.predict
def doubled(x: int) -> int:
    return 2 * x
"#;

#[tokio::test]
async fn the_result_of_a_batch_can_be_fetched_later() {
    let world = World::start().await;
    world.push("doubled", DOUBLED, &[]).await;
    fs::write(world.folder.path().join("numbers.csv"), "x\n1\n2\n").unwrap();
    let started = world
        .run(&["batch", "doubled", "numbers.csv", "--async"])
        .await;
    let id = text(&started.stdout).trim().to_owned();
    let command = format!("onstage jobs result {id}");
    assert!(
        text(&started.stderr).contains(&command),
        "{}",
        text(&started.stderr)
    );
    world.finished(&format!("/v1/batches/{id}")).await;
    let shown = world.ok(&["jobs", "show", &id]).await;
    assert!(shown.contains(&command), "{shown}");
    let file = world.ok(&["jobs", "result", &id]).await;
    assert!(file.trim().ends_with("numbers.result.csv"), "{file}");
    let table = fs::read_to_string(file.trim()).unwrap();
    assert!(table.contains("1,2") && table.contains("2,4"), "{table}");
    world
        .ok(&["jobs", "result", &id, "--out", "mine.csv"])
        .await;
    assert_eq!(
        fs::read_to_string(world.folder.path().join("mine.csv")).unwrap(),
        table
    );
    world.close().await;
}

#[tokio::test]
async fn the_output_of_a_prediction_can_be_fetched_later() {
    let world = World::start().await;
    world.push("doubled", DOUBLED, &[]).await;
    let id = world
        .ok(&["run", "doubled", "x=21", "--async"])
        .await
        .trim()
        .to_owned();
    world.finished(&format!("/v1/predictions/{id}")).await;
    assert_eq!(world.ok(&["jobs", "result", &id]).await.trim(), "42");
    world.close().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_refused_before_any_work() {
    let world = World::start().await;
    world.push("doubled", DOUBLED, &[]).await;
    fs::write(world.folder.path().join("numbers.csv"), "x\n1\n").unwrap();
    for arguments in [
        [
            "batch",
            "doubled",
            "numbers.csv",
            "--out",
            "/nonexistent/z.csv",
        ],
        ["run", "doubled", "x=1", "--out", "/nonexistent/z.json"],
    ] {
        let output = world.run(&arguments).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("there is no folder `/nonexistent`"), "{said}");
    }
    let (_, jobs) = world.get("/v1/jobs").await;
    let (_, predictions) = world.get("/v1/predictions").await;
    assert_eq!(jobs["results"], serde_json::json!([]));
    assert_eq!(predictions["results"], serde_json::json!([]));
    world.close().await;
}
