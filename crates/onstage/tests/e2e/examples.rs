//! The examples, each as people would use it, with its answers checked.

use crate::world::{World, example};
use serde_json::json;

#[tokio::test]
async fn activity_learns_from_each_call_and_the_plan_reads_the_same_counters() {
    let world = World::start().await;
    world.push_example("activity").await;
    world.push_example("activity-plan").await;
    for _ in 0..30 {
        let (status, answer) = world
            .predict(
                "activity",
                json!({"gender": "female", "past_activity": "museum"}),
            )
            .await;
        assert_eq!(
            (status, answer["status"].as_str()),
            (201, Some("succeeded")),
            "{answer:#}"
        );
        assert!(
            answer["output"].get("museum").is_none(),
            "what was just done is not recommended: {answer:#}"
        );
    }
    let (_, answer) = world
        .predict(
            "activity",
            json!({"gender": "female", "past_activity": "reading"}),
        )
        .await;
    let scores = answer["output"].as_object().unwrap();
    let best = scores
        .iter()
        .max_by(|a, b| a.1.as_f64().partial_cmp(&b.1.as_f64()).unwrap())
        .unwrap()
        .0;
    assert_eq!(best, "museum", "{answer:#}");

    let plan = world
        .ok_json(&[
            "run",
            "activity-plan",
            "start=2026-05-04",
            "end=2026-05-08",
            "gender=female",
            "samples=3",
        ])
        .await;
    assert_eq!(
        (plan["kind"].as_str(), plan["status"].as_str()),
        (Some("background"), Some("succeeded")),
        "{plan:#}"
    );
    let table = data_url(plan["output"].as_str().unwrap());
    assert!(table.starts_with("date,weekday,activity"), "{table}");
    assert_eq!(table.lines().count(), 6, "{table}");
    assert!(
        table.contains("museum"),
        "the plan knows what was learnt: {table}"
    );
    world.close().await;
}

#[tokio::test]
async fn digits_reads_pictures_and_reports_its_accuracy_over_a_table() {
    let world = World::start().await;
    world.push_example("digits").await;
    for digit in ["0", "3", "4", "7"] {
        let picture = format!(
            "image=@{}",
            example("digits")
                .join(format!("examples/{digit}.png"))
                .display()
        );
        let answer = world.ok_json(&["run", "digits", &picture]).await;
        let scores = answer["output"].as_object().unwrap();
        let best = scores
            .iter()
            .max_by(|a, b| a.1.as_f64().partial_cmp(&b.1.as_f64()).unwrap())
            .unwrap()
            .0;
        assert_eq!(best, digit, "{answer:#}");
    }
    let table = example("digits").join("heldout.csv");
    let batch = world
        .ok_json(&[
            "batch",
            "digits",
            table.to_str().unwrap(),
            "--label",
            "digit",
            "--out",
            "result.csv",
        ])
        .await;
    assert_eq!(batch["counts"]["done"], 500, "{batch:#}");
    let accuracy = batch["metrics"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9, "{batch:#}");
    let result = std::fs::read_to_string(world.folder.path().join("result.csv")).unwrap();
    assert_eq!(result.lines().count(), 501);
    let (table, pictures) = (
        example("digits").join("pictures.csv"),
        example("digits").join("examples"),
    );
    let (table, pictures) = (table.to_str().unwrap(), pictures.to_str().unwrap());
    let verb = [
        "batch", "digits", table, "--files", pictures, "--label", "digit",
    ];
    let batch = world.ok_json(&verb).await;
    assert_eq!(batch["metrics"]["accuracy"], 1.0, "{batch:#}");
    world.close().await;
}

#[tokio::test]
async fn heavy_answers_many_at_once_in_few_microbatches() {
    let world = World::with(&[("HEAVY_MB", "8"), ("HEAVY_SECONDS", "0.3")]).await;
    world.push_example("heavy").await;
    let calls = (0..60).map(|x| world.predict("heavy", json!({ "x": x })));
    let answers = futures::future::join_all(calls).await;
    assert!(
        answers
            .iter()
            .all(|(status, answer)| *status == 201 && answer["status"] == "succeeded"),
        "{answers:?}"
    );
    let (_, metrics) = world.get("/metrics").await;
    let microbatches = metric(metrics.as_str().unwrap(), "onstage_microbatches_total");
    assert!(
        microbatches < 20.0,
        "60 answers took {microbatches} microbatches"
    );
    world.close().await;
}

#[tokio::test]
async fn a_worker_in_plain_node_answers_like_any_other() {
    let world = World::start().await;
    world.push_example("node-hello").await;
    let (_, model) = world.get("/v1/models/lab/node-hello").await;
    let example = &model["latest_version"]["examples"][0]["input"];
    let (status, answer) = world.predict("node-hello", example.clone()).await;
    assert_eq!(
        (status, answer["status"].as_str()),
        (201, Some("succeeded")),
        "{answer:#}"
    );
    world.close().await;
}

/// The sum of a metric over its labels.
pub(crate) fn metric(exposition: &str, name: &str) -> f64 {
    let lines = exposition
        .lines()
        .filter(|line| line.starts_with(name) && !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// The text in a `data:…;base64,…` URL.
pub(crate) fn data_url(url: &str) -> String {
    use base64::Engine as _;
    let encoded = url
        .split_once("base64,")
        .unwrap_or_else(|| panic!("not a data URL: {url}"))
        .1;
    String::from_utf8(
        base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .unwrap(),
    )
    .unwrap()
}
