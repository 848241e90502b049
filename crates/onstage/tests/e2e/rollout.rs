//! New versions of a live model: no request fails while they come, and going back is one command.

use crate::world::{World, text};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn version(n: u32) -> String {
    format!("import onstage as on\n\n@on.predict\ndef f(x: int) -> int:\n    return {n}\n")
}

#[tokio::test]
async fn a_push_under_load_fails_no_request() {
    let world = World::start().await;
    world.push("roll", &version(1), &[]).await;
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let load = async {
        let callers = (0..8).map(|_| async {
            while !stop.load(Ordering::Relaxed) {
                let (status, answer) = world.predict("roll", json!({"x": 1})).await;
                assert_eq!(
                    (status, answer["status"].as_str()),
                    (201, Some("succeeded")),
                    "{answer:#}"
                );
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        futures::future::join_all(callers).await;
    };
    let rolls = async {
        for n in 2..=3 {
            world.push("roll", &version(n), &[]).await;
            world
                .until("/v1/models/lab/roll", |model| {
                    model["live_version_number"] == n
                })
                .await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, rolls);
    assert!(
        answered.load(Ordering::Relaxed) > 100,
        "{answered:?} answers"
    );
    let (_, answer) = world.predict("roll", json!({"x": 1})).await;
    assert_eq!(answer["output"], 3, "{answer:#}");
    world.ok(&["rollback", "roll"]).await;
    world
        .until("/v1/models/lab/roll", |model| {
            model["live_version_number"] == 2
        })
        .await;
    let (_, answer) = world.predict("roll", json!({"x": 1})).await;
    assert_eq!(answer["output"], 2, "{answer:#}");
    world.close().await;
}

#[tokio::test]
async fn a_version_whose_example_goes_wrong_does_not_go_live() {
    let world = World::start().await;
    let example = r#"{"input": {"x": 2}, "output": 1}"#;
    world
        .push("gate", &version(1), &[("examples/two.json", example)])
        .await;
    let folder = world.model("gate", &version(7), &[("examples/two.json", example)]);
    let output = world.run(&["push", folder.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("two") && text(&output.stderr).contains('7'),
        "{}",
        text(&output.stderr)
    );
    let (_, answer) = world.predict("gate", json!({"x": 5})).await;
    assert_eq!(answer["output"], 1, "{answer:#}");
    world.close().await;
}
