//! Background predictions: progress, logs, events, waiting, the task that ends by itself.

use crate::world::{World, text};
use serde_json::json;

const STEPS: &str = r#"
import time
import onstage as on

@on.predict(background=True)
def steps(n: int = 3, *, ctx: on.Ctx) -> dict:
    for i in range(n):
        ctx.progress(i, n, f"step {i}")
        print("said", i)
        time.sleep(0.1)
    return {"steps": n}
"#;

#[tokio::test]
pub(crate) async fn a_background_prediction_reports_and_its_task_ends_by_itself() {
    let world = World::start().await;
    world
        .push(
            "steps",
            STEPS,
            &[(
                "onstage.toml",
                "[model]\nname = \"steps\"\n[jobs]\nlinger = \"1s\"\n",
            )],
        )
        .await;
    let (status, made) = world.predict("steps", json!({"n": 4})).await;
    assert_eq!(
        (status, &made["status"]),
        (202, &json!("starting")),
        "{made:#}"
    );
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    let ended = world.finished(&path).await;
    assert_eq!(
        (&ended["status"], &ended["output"]),
        (&json!("succeeded"), &json!({"steps": 4})),
        "{ended:#}"
    );
    let log = world.events(&path).await;
    let names: Vec<&str> = log
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert!(
        names.contains(&"start")
            && names.contains(&"progress")
            && names.last() == Some(&"completed"),
        "{names:?}"
    );
    let numbers: Vec<i64> = log
        .iter()
        .filter_map(|event| event["id"].as_i64())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    let (_, logs) = world.get(&format!("{path}/logs")).await;
    assert!(logs.as_str().unwrap().contains("said 3"), "{logs}");
    world
        .until("/v1/tasks", |tasks| {
            tasks["results"].as_array().is_some_and(|all| {
                !all.is_empty() && all.iter().all(|task| !task["ended_at"].is_null())
            })
        })
        .await;
    assert!(world.pids("task").is_empty(), "{:?}", world.processes());
    world.close().await;
}

#[tokio::test]
async fn jobs_are_listed_and_shown_on_the_command_line() {
    let world = World::start().await;
    world.push("steps", STEPS, &[]).await;
    let ran = world.ok_json(&["run", "steps", "n=1"]).await;
    assert_eq!(ran["status"], "succeeded", "{ran:#}");
    let id = ran["id"].as_str().unwrap();
    assert!(world.ok(&["jobs", "ls"]).await.contains(&id[..8]));
    assert_eq!(world.ok_json(&["jobs", "show", id]).await["id"], id);
    assert!(world.ok(&["logs", id]).await.contains("said 0"));
    let missing = world.run(&["jobs", "show", "no-such-job-1"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        text(&missing.stderr).contains("no-such-job-1"),
        "{}",
        text(&missing.stderr)
    );
    world.close().await;
}

#[tokio::test]
pub(crate) async fn a_realtime_prediction_that_outlives_its_wait_goes_on_and_is_found() {
    let world = World::start().await;
    world.push("nap", "import onstage as on, time\n\n@on.predict\ndef nap(s: float) -> str:\n    time.sleep(s)\n    return 'rested'\n", &[]).await;
    let request = world
        .request(reqwest::Method::POST, "/v1/models/lab/nap/predictions")
        .header("prefer", "wait=1")
        .json(&json!({"input": {"s": 3.0}}));
    let (status, made) = crate::world::answer(request).await;
    assert_eq!(
        (status, &made["status"]),
        (202, &json!("starting")),
        "{made:#}"
    );
    let ended = world
        .finished(&format!("/v1/predictions/{}", made["id"].as_str().unwrap()))
        .await;
    assert_eq!(ended["output"], "rested", "{ended:#}");
    let request = world
        .request(reqwest::Method::POST, "/v1/models/lab/nap/predictions")
        .header("prefer", "respond-async")
        .json(&json!({"input": {"s": 0.1}}));
    let (status, made) = crate::world::answer(request).await;
    assert_eq!(status, 202, "{made:#}");
    let ended = world
        .finished(&format!("/v1/predictions/{}", made["id"].as_str().unwrap()))
        .await;
    assert_eq!(ended["output"], "rested", "{ended:#}");
    world.close().await;
}
