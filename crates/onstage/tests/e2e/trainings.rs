//! Trainings: real data, a new version with weights, checkpoints that outlive kills, cancels and limits.

use crate::world::{World, answer, example, signal};
use serde_json::{Value, json};

/// Counts to `steps` slowly, keeps what it has at every tenth, and tells where it began.
const SLOW: &str = r#"
import json, time
import onstage as on

@on.setup
def found(ctx: on.Ctx):
    return json.loads(ctx.weights.read_text()) if ctx.weights else {"n": 0}

@on.predict
def total(x: int = 0, *, found) -> int:
    return found["n"] + x

@on.train
def count(steps: int = 10, seconds: float = 0.02, *, ctx: on.Ctx) -> on.Weights:
    state = json.loads(ctx.resume.read_text()) if ctx.resume else {"n": 0}
    print("began at", state["n"])
    while state["n"] < steps and not ctx.cancelled:
        time.sleep(seconds)
        state["n"] += 1
        ctx.progress(state["n"], steps)
        ctx.metric(step=state["n"], left=steps - state["n"])
        if state["n"] % 10 == 0:
            with open("state.json", "w") as file:
                json.dump(state, file)
            ctx.checkpoint("state.json")
    with open("weights.json", "w") as file:
        json.dump(state, file)
    return on.Weights("weights.json", metrics={"n": state["n"]})
"#;

async fn train(world: &World, model: &str, body: &Value) -> String {
    let (_, versions) = world.get(&format!("/v1/models/lab/{model}/versions")).await;
    let id = versions["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|version| version["number"] == 1)
        .unwrap()["id"]
        .clone();
    let path = format!(
        "/v1/models/lab/{model}/versions/{}/trainings",
        id.as_str().unwrap()
    );
    let (status, made) = world.post(&path, body).await;
    assert_eq!(status, 201, "{made:#}");
    format!("/v1/trainings/{}", made["id"].as_str().unwrap())
}

async fn with_checkpoint(world: &World, path: &str, run: u64) -> Value {
    world
        .until(path, |training| {
            let kept = training["checkpoints"].as_array();
            kept.is_some_and(|kept| kept.iter().any(|one| one["run"] == run))
        })
        .await
}

async fn versions(world: &World, model: &str) -> Vec<Value> {
    let (_, versions) = world.get(&format!("/v1/models/lab/{model}/versions")).await;
    versions["results"].as_array().unwrap().clone()
}

/// Where each run began, from the log.
async fn beginnings(world: &World, path: &str) -> Vec<u64> {
    let (_, logs) = world.get(&format!("{path}/logs")).await;
    let lines = logs.as_str().unwrap().lines();
    lines
        .filter_map(|line| line.split_once("began at "))
        .map(|(_, number)| number.trim().parse().unwrap())
        .collect()
}

/// As the kernel has it: larger gives way.
fn nice(pid: &str) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[tokio::test]
async fn flowers_trains_on_real_data_and_its_promoted_version_knows_them() {
    let world = World::start().await;
    world.push_example("flowers").await;
    let table = format!("data=@{}", example("flowers").join("iris.csv").display());
    let training = world
        .ok_json(&[
            "train",
            "flowers",
            &table,
            "epochs=120",
            "--promote",
            "--seed",
            "7",
        ])
        .await;
    assert_eq!(training["status"], "succeeded", "{training:#}");
    assert_eq!(training["output"]["number"], 2, "{training:#}");
    assert!(
        training["metrics"]["accuracy"].as_f64().unwrap() >= 0.9,
        "{training:#}"
    );
    let model = world
        .until("/v1/models/lab/flowers", |model| {
            model["latest_version"]["number"] == 2
        })
        .await;
    assert_eq!(model["latest_version"]["state"], "ready", "{model:#}");
    let made = &model["latest_version"];
    let digest = made["environment_sha256"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    assert_eq!(made["lineage"]["environment_sha256"], digest, "{made:#}");
    let parameters = &made["lineage"]["parameters"];
    assert_eq!(parameters["epochs"], 120, "{made:#}");
    assert!(
        parameters["rate"].is_number(),
        "left at its default: {made:#}"
    );
    let pushed = versions(&world, "flowers").await.pop().unwrap();
    assert_eq!(
        (&pushed["number"], &pushed["environment_sha256"]),
        (&json!(1), &json!(digest))
    );
    for (lengths, species) in [
        ([5.1, 3.5, 1.4, 0.2], "setosa"),
        ([6.3, 3.3, 6.0, 2.5], "virginica"),
    ] {
        let [a, b, c, d] = lengths;
        let input =
            json!({"sepal_length": a, "sepal_width": b, "petal_length": c, "petal_width": d});
        let (_, answer) = world.predict("flowers", input).await;
        assert!(
            answer["output"][species].as_f64().unwrap() > 0.5,
            "{answer:#}"
        );
    }
    let path = format!("/v1/trainings/{}", training["id"].as_str().unwrap());
    let (_, metrics) = world.get(&format!("{path}/metrics")).await;
    assert!(
        metrics["series"]["loss"].as_array().unwrap().len() > 50,
        "{metrics:#}"
    );
    let request = world
        .request(reqwest::Method::GET, &format!("{path}/metrics"))
        .header("accept", "text/csv");
    let (_, csv) = answer(request).await;
    assert!(csv.as_str().unwrap().contains("accuracy"), "{csv}");
    world.close().await;
}

#[tokio::test]
async fn a_training_outlives_its_task_its_worker_and_the_front() {
    let mut world = World::start().await;
    world.push("slow", SLOW, &[]).await;
    let path = train(
        &world,
        "slow",
        &json!({"input": {"steps": 200}, "promote": true}),
    )
    .await;
    with_checkpoint(&world, &path, 1).await;
    for pid in world.pids(" task ") {
        assert!(
            nice(&pid.to_string()) > nice(&world.server_pid().to_string()),
            "a task gives way to the front"
        );
        signal(pid, "KILL");
    }
    with_checkpoint(&world, &path, 2).await;
    for pid in world.pids("onstage.worker") {
        signal(pid, "KILL");
    }
    with_checkpoint(&world, &path, 3).await;
    world.kill_server();
    world.serve().await;
    let ended = world.finished(&path).await;
    assert_eq!(
        (&ended["status"], &ended["metrics"]["n"]),
        (&json!("succeeded"), &json!(200.0)),
        "{ended:#}"
    );
    let began = beginnings(&world, &path).await;
    assert_eq!(began.len(), 3, "{began:?}");
    assert!(
        began[0] == 0 && began[0] < began[1] && began[1] < began[2] && began[2] < 200,
        "each run goes on from a checkpoint of the one before: {began:?}"
    );
    for whose in [path.rsplit('/').next().unwrap(), "slow"] {
        let told = world.ok(&["logs", whose]).await;
        assert!(told.contains("began at 0"), "{whose}: {told}");
    }
    world
        .until("/v1/models/lab/slow", |model| {
            model["latest_version"]["number"] == 2
        })
        .await;
    assert_eq!(versions(&world, "slow").await.len(), 2);
    let (_, told) = world.predict("slow", json!({"x": 1})).await;
    assert_eq!(told["output"], 201, "{told:#}");
    world.close().await;
}

#[tokio::test]
async fn a_cancelled_training_keeps_its_checkpoint_and_a_retry_goes_on_from_it() {
    let world = World::start().await;
    world.push("slow", SLOW, &[]).await;
    let path = train(&world, "slow", &json!({"input": {"steps": 300}})).await;
    with_checkpoint(&world, &path, 1).await;
    let (status, _) = world.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!(status, 200);
    let ended = world.finished(&path).await;
    assert_eq!(ended["status"], "canceled", "{ended:#}");
    assert!(!ended["checkpoints"].as_array().unwrap().is_empty());
    assert_eq!(versions(&world, "slow").await.len(), 1);
    let (status, again) = world.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(status, 201, "{again:#}");
    let path = format!("/v1/trainings/{}", again["id"].as_str().unwrap());
    let ended = world.finished(&path).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    assert!(beginnings(&world, &path).await[0] >= 10);
    assert_eq!(versions(&world, "slow").await.len(), 2);
    world.close().await;
}

#[tokio::test]
async fn trainings_run_side_by_side_and_stop_when_their_time_is_up() {
    let world = World::start().await;
    let settings = "[model]\nname = \"slow\"\n[training]\ntasks = 2\nstop_after = \"6s\"\n";
    world
        .push("slow", SLOW, &[("onstage.toml", settings)])
        .await;
    let body = json!({"input": {"steps": 100_000}});
    let first = train(&world, "slow", &body).await;
    let second = train(&world, "slow", &body).await;
    let running = |training: &Value| training["phase"] == "running";
    tokio::join!(world.until(&first, running), world.until(&second, running));
    let (_, one) = world.get(&first).await;
    let (_, two) = world.get(&second).await;
    assert!(running(&one) && running(&two), "at once: {one:#}\n{two:#}");
    // What is live answers all the while.
    let (_, told) = world.predict("slow", json!({"x": 3})).await;
    assert_eq!(told["output"], 3, "{told:#}");
    for path in [first, second] {
        let ended = world.finished(&path).await;
        assert_eq!(
            (&ended["status"], &ended["reason"]),
            (&json!("failed"), &json!("timeout")),
            "{ended:#}"
        );
        assert!(
            !ended["checkpoints"].as_array().unwrap().is_empty(),
            "{ended:#}"
        );
    }
    assert_eq!(versions(&world, "slow").await.len(), 1);
    world.close().await;
}
