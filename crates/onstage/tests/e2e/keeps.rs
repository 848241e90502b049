//! `[keep]`: what a model does not keep is not there, at once or after its time; what has feedback stays.

use crate::world::World;
use serde_json::{Value, json};

const CODE: &str = "import onstage as on\n\n@on.predict\ndef f(x: str, photo: on.File | None = None) -> str:\n    print('seen', x)\n    return x.upper()\n";

async fn push(world: &World, spans: &str) {
    let toml = format!("[model]\nname = \"shy\"\n[keep]\n{spans}\n");
    world.push("shy", CODE, &[("onstage.toml", &toml)]).await;
}

async fn predict(world: &World, x: &str) -> String {
    let (status, made) = world.predict("shy", json!({"x": x})).await;
    assert_eq!((status, &made["output"]), (201, &json!(x.to_uppercase())));
    made["id"].as_str().unwrap().to_owned()
}

fn blobs_of(world: &World, id: &str) -> Vec<std::path::PathBuf> {
    let folder = world.data().join("blobs/predictions").join(id);
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found
}

fn recorded(run: &Value) -> (&Value, &Value, &Value, &Value) {
    (
        &run["input"],
        &run["output"],
        &run["logs"],
        &run["data_removed"],
    )
}

#[tokio::test]
async fn what_is_not_kept_at_all_is_not_written() {
    let world = World::start().await;
    push(&world, "inputs = \"0s\"\noutputs = \"0s\"\nlogs = \"0s\"").await;
    // So long that input and output would be blobs.
    let id = predict(&world, &"long".repeat(20_000)).await;
    let path = format!("/v1/predictions/{id}");
    let run = world.until(&path, |run| run["data_removed"] == true).await;
    assert_eq!(
        recorded(&run),
        (&json!({}), &Value::Null, &json!(""), &json!(true))
    );
    assert_eq!(run["status"], "succeeded");
    assert_eq!(blobs_of(&world, &id), Vec::<std::path::PathBuf>::new());
    world.close().await;
}

#[tokio::test]
async fn what_is_kept_for_a_time_goes_when_it_is_over_unless_it_has_feedback() {
    let mut world = World::start().await;
    push(&world, "inputs = \"1ms\"").await;
    let plain = predict(&world, &"long".repeat(20_000)).await;
    let liked = predict(&world, "liked").await;
    let path = format!("/v1/predictions/{liked}/feedback");
    let (status, said) = world.post(&path, &json!({"rating": 1})).await;
    assert_eq!(status, 201, "{said:#}");
    // Once it is recorded: a list waits for that.
    world.get("/v1/predictions").await;
    assert_eq!(blobs_of(&world, &plain).len(), 2, "input and output");
    // The first look is at the start.
    world.kill_server();
    world.serve().await;
    let path = format!("/v1/predictions/{plain}");
    let run = world.until(&path, |run| run["data_removed"] == true).await;
    assert_eq!(run["input"], json!({}));
    assert_eq!(run["output"], json!("LONG".repeat(20_000)), "is kept");
    assert_eq!(blobs_of(&world, &plain).len(), 1, "the output's");
    let (_, run) = world.get(&format!("/v1/predictions/{liked}")).await;
    assert_eq!(recorded(&run).0, &json!({"x": "liked"}));
    world.close().await;
}
