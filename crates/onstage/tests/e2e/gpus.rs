//! GPUs are shared out among workers and tasks: the devices are only names here, and who may use them is told apart all the same.

use crate::world::World;
use serde_json::{Value, json};

const SEES: &str = r#"
import os, time
import onstage as on

@on.predict
def sees(x: int = 0) -> str:
    return str(os.environ.get("CUDA_VISIBLE_DEVICES"))

@on.train
def learns(*, ctx: on.Ctx) -> on.Weights:
    print("sees", os.environ.get("CUDA_VISIBLE_DEVICES"))
    while not os.path.exists("FOLDER/go"):
        time.sleep(0.02)
    with open("weights", "w") as file:
        file.write("w")
    return on.Weights("weights")
"#;

async fn push(world: &World, name: &str, sections: &str) {
    let code = SEES.replace("FOLDER", world.folder.path().to_str().unwrap());
    let toml = format!("[model]\nname = \"{name}\"\n{sections}");
    world.push(name, &code, &[("onstage.toml", &toml)]).await;
}

async fn train(world: &World, name: &str) -> String {
    let (_, model) = world.get(&format!("/v1/models/lab/{name}")).await;
    let version = model["latest_version"]["id"].as_str().unwrap();
    let path = format!("/v1/models/lab/{name}/versions/{version}/trainings");
    let (status, made) = world.post(&path, &json!({"input": {}})).await;
    assert_eq!(status, 201, "{made:#}");
    format!("/v1/trainings/{}", made["id"].as_str().unwrap())
}

async fn until_logged(world: &World, training: &str, words: &str) {
    let is_there = |logs: &Value| logs.as_str().is_some_and(|logs| logs.contains(words));
    world.until(&format!("{training}/logs"), is_there).await;
}

async fn status(world: &World, training: &str) -> Value {
    world.get(training).await.1["status"].clone()
}

#[tokio::test]
async fn a_training_has_a_gpu_for_itself_also_after_the_front_was_killed() {
    let mut world = World::with(&[("ONSTAGE_GPUS", "GPU-a")]).await;
    push(&world, "sees", "[realtime]\ngpu = 1\n").await;
    push(&world, "half", "[training]\ngpu = 0.5\nlinger = \"10m\"\n").await;
    let (_, answer) = world.predict("sees", json!({})).await;
    assert_eq!(answer["output"], "GPU-a");

    // The worker that answered is idle and gives the GPU up.
    let first = train(&world, "sees").await;
    until_logged(&world, &first, "sees GPU-a").await;
    let second = train(&world, "half").await;
    let told = |page: &Value| page.to_string().contains("waits for a GPU");
    world
        .until(&format!("{second}/events?after=0&wait=1"), told)
        .await;

    world.kill_server();
    world.serve().await;
    let (code, _) = world.predict("half", json!({})).await;
    assert_eq!(code, 201, "who asks for no GPU goes on");
    assert_eq!(status(&world, &first).await, "processing");
    assert_eq!(status(&world, &second).await, "starting");

    let told = async {
        let waits = |model: &Value| {
            let text = model["readiness"]["text"].as_str();
            text.is_some_and(|text| text.contains("waits for a GPU"))
        };
        world.until("/v1/models/lab/sees", waits).await;
        std::fs::write(world.folder.path().join("go"), "").unwrap();
    };
    let ((_, answer), ()) = tokio::join!(world.predict("sees", json!({})), told);
    assert_eq!(answer["output"], "GPU-a", "{answer:#}");
    for training in [&first, &second] {
        let ended = world.finished(training).await;
        assert_eq!(ended["status"], "succeeded", "{ended:#}");
    }
    until_logged(&world, &second, "sees GPU-a").await;
    let (_, answer) = world.predict("sees", json!({})).await;
    assert_eq!(
        answer["output"], "GPU-a",
        "a task that lingers gives way: {answer:#}"
    );
    world.close().await;
}

#[tokio::test]
async fn more_gpus_for_a_training_than_there_are_is_said_at_the_push() {
    let world = World::with(&[("ONSTAGE_GPUS", "0")]).await;
    let toml = "[model]\nname = \"greedy\"\n[training]\ngpu = 2\n";
    let folder = world.model("greedy", SEES, &[("onstage.toml", toml)]);
    let pushed = world.run(&["push", folder.to_str().unwrap()]).await;
    let said = crate::world::text(&pushed.stderr);
    assert!(!pushed.status.success(), "{said}");
    assert!(
        said.contains("asks for 2 GPU, and this machine has 1") && said.contains("[training]"),
        "{said}"
    );
    world.close().await;
}
