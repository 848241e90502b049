//! Kill -9 of the task, of its worker, and of the front: the job ends right, once.

use crate::world::{World, signal};
use serde_json::{Value, json};

/// Counts its own runs durably, so that the test can tell how often a job really computed.
const COUNTED: &str = r#"
import time
import onstage as on

@on.predict(background=True)
def counted(seconds: float = 2.0, *, ctx: on.Ctx) -> dict:
    run = ctx.state.add("runs", 1)
    ctx.progress(0, 1, f"run {int(run)}")
    time.sleep(seconds)
    return {"run": int(run)}
"#;

async fn begun(world: &World) -> String {
    let (status, made) = world.predict("counted", json!({})).await;
    assert_eq!(status, 202, "{made:#}");
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    world
        .until(&path, |record| {
            record["progress"]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("run"))
        })
        .await;
    path
}

fn check_ended_once(ended: &Value, log: &[Value]) {
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    let completed = log
        .iter()
        .filter(|event| event["event"] == "completed")
        .count();
    assert_eq!(completed, 1, "{log:#?}");
}

#[tokio::test]
pub(crate) async fn a_killed_task_is_replaced_and_the_job_ends_once() {
    let world = World::start().await;
    world.push("counted", COUNTED, &[]).await;
    let path = begun(&world).await;
    for pid in world.pids(" task ") {
        signal(pid, "KILL");
    }
    let ended = world.finished(&path).await;
    let log = world.events(&path).await;
    check_ended_once(&ended, &log);
    assert_eq!(ended["output"]["run"], 2, "{ended:#}");
    world.close().await;
}

#[tokio::test]
async fn a_killed_worker_does_not_lose_its_job() {
    let world = World::start().await;
    world.push("counted", COUNTED, &[]).await;
    let path = begun(&world).await;
    for pid in world.pids("onstage.worker") {
        signal(pid, "KILL");
    }
    let ended = world.finished(&path).await;
    let log = world.events(&path).await;
    check_ended_once(&ended, &log);
    world.close().await;
}

#[tokio::test]
pub(crate) async fn a_killed_front_hurts_no_running_job() {
    let mut world = World::start().await;
    world.push("counted", COUNTED, &[]).await;
    let path = begun(&world).await;
    world.kill_server();
    world.serve().await;
    let ended = world.finished(&path).await;
    let log = world.events(&path).await;
    check_ended_once(&ended, &log);
    assert_eq!(
        ended["output"]["run"], 1,
        "the job ran on while the front was gone: {ended:#}"
    );
    world.close().await;
}

#[tokio::test]
pub(crate) async fn a_batch_job_resumes_after_its_task_was_killed() {
    let world = World::start().await;
    let code = "import onstage as on, time\n\n@on.predict\ndef f(x: int) -> int:\n    time.sleep(0.01)\n    return x * 2\n";
    world.push("twice", code, &[]).await;
    let rows: String = std::iter::once("x\n".to_owned())
        .chain((0..800).map(|x| format!("{x}\n")))
        .collect();
    let (_, batch) = world.batch("twice", "t.csv", rows, json!({})).await;
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    world
        .until(&path, |batch| {
            batch["counts"]["done"]
                .as_u64()
                .is_some_and(|done| done > 50)
        })
        .await;
    for pid in world.pids(" task ") {
        signal(pid, "KILL");
    }
    let ended = world.finished(&path).await;
    assert_eq!(
        (
            &ended["status"],
            &ended["counts"]["done"],
            &ended["counts"]["failed"]
        ),
        (&json!("succeeded"), &json!(800), &json!(0)),
        "{ended:#}"
    );
    let (_, result) = world.get(&format!("{path}/result")).await;
    let lines: Vec<&str> = result.as_str().unwrap().lines().skip(1).collect();
    assert_eq!(lines.len(), 800);
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(x, line)| line.starts_with(&format!("{x},{}", 2 * x))),
        "{result}"
    );
    world.close().await;
}

#[tokio::test]
async fn a_killed_realtime_worker_fails_only_what_killed_it() {
    let world = World::start().await;
    let code = "import onstage as on, os, time\n\n@on.predict\ndef f(x: int) -> int:\n    if x == 13:\n        os._exit(1)\n    time.sleep(0.02)\n    return x\n\n@f.many(max=8)\ndef _(rows):\n    if 13 in rows.column('x'):\n        os._exit(1)\n    time.sleep(0.02)\n    return rows.column('x')\n";
    world.push("bomb", code, &[]).await;
    let calls = (0..40).map(|x| world.predict("bomb", json!({ "x": x })));
    for (x, (status, answer)) in futures::future::join_all(calls)
        .await
        .into_iter()
        .enumerate()
    {
        assert_eq!(status, 201, "{answer:#}");
        let expected = if x == 13 { "worker_lost" } else { "ok" };
        assert_eq!(answer["reason"], expected, "{x}: {answer:#}");
    }
    world.close().await;
}
