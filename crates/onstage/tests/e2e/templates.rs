//! A model without code: a template and a config, on a real PyTorch and real data, over HTTP and by the guide's own lines.

use crate::world::{PATIENCE, World, answer, example, signal, text};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

const GUIDE: &str = include_str!("../../../../docs/template-models.md");

/// What `scripts/setup.sh test` keeps for all tests.
fn cache() -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/tmp".to_owned());
    std::env::var("ONSTAGE_CACHE").map_or_else(
        |_| PathBuf::from(home).join(".cache/onstage"),
        PathBuf::from,
    )
}

/// A world whose templates run on the Python with PyTorch that `scripts/setup.sh test` made. Only where apt cannot install
/// PyTorch are these tests skipped, and never in CI.
async fn world() -> Option<World> {
    let python = cache().join("torch/bin/python");
    if python.is_file() {
        let path = python.to_str().unwrap();
        return Some(World::with(&[("ONSTAGE_TEMPLATE_PYTHON", path)]).await);
    }
    assert!(
        std::env::var("CI").is_err(),
        "there is no `{}`; `scripts/setup.sh test` makes it",
        python.display()
    );
    eprintln!("SKIPPED: no PyTorch here, `scripts/setup.sh test` installs it where it can");
    None
}

fn cancer(name: &str) -> PathBuf {
    example("breast-cancer").join(name)
}

fn config() -> Value {
    serde_json::from_slice(&std::fs::read(cancer("config.json")).unwrap()).unwrap()
}

async fn upload(world: &World, dataset: &str, bytes: Vec<u8>) {
    let path = format!("/v1/datasets/{dataset}?filename={dataset}.csv");
    let (status, made) = answer(world.request(reqwest::Method::PUT, &path).body(bytes)).await;
    assert_eq!(status, 201, "{made:#}");
}

/// Defines a version that must become ready; answers where it is.
async fn define(world: &World, model: &str, config: &Value) -> String {
    let body = json!({"template": "tabular-torch", "config": config});
    let (status, made) = world
        .post(&format!("/v1/models/lab/{model}/versions"), &body)
        .await;
    assert_eq!(status, 201, "{made:#}");
    let path = format!(
        "/v1/models/lab/{model}/versions/{}",
        made["id"].as_str().unwrap()
    );
    let built = world
        .until(&path, |version| version["state"] != "building")
        .await;
    assert_eq!(built["state"], "ready", "{built:#}");
    path
}

async fn train(world: &World, version: &str, body: &Value) -> String {
    let (status, made) = world.post(&format!("{version}/trainings"), body).await;
    assert_eq!(status, 201, "{made:#}");
    format!("/v1/trainings/{}", made["id"].as_str().unwrap())
}

/// Rows that no training has seen, and what they are.
fn held_out() -> Vec<(Value, String)> {
    let mut reader = csv::Reader::from_path(cancer("heldout.csv")).unwrap();
    let names = reader.headers().unwrap().clone();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let cells: BTreeMap<&str, f64> = names
            .iter()
            .zip(&row)
            .filter_map(|(name, cell)| Some((name, cell.parse().ok()?)))
            .collect();
        (json!(cells), row[names.len() - 1].to_owned())
    });
    rows.collect()
}

fn best(output: &Value) -> &str {
    let scores = output
        .as_object()
        .unwrap_or_else(|| panic!("no scores: {output}"));
    let score = |value: &Value| value.as_f64().unwrap();
    scores
        .iter()
        .max_by(|a, b| score(a.1).total_cmp(&score(b.1)))
        .unwrap()
        .0
}

#[tokio::test]
async fn five_requests_make_a_model_that_is_right_about_rows_it_has_never_seen() {
    let Some(world) = world().await else { return };
    upload(
        &world,
        "cancer",
        std::fs::read(cancer("train.csv")).unwrap(),
    )
    .await;
    let version = define(&world, "cancer", &config()).await;
    world
        .until("/v1/models/lab/cancer", |model| {
            model["latest_version"]["number"] == 1
        })
        .await;
    let (_, told) = world.predict("cancer", json!({"mean radius": 17.99})).await;
    assert_eq!(told["status"], "failed", "{told:#}");
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("must be trained first"), "{error}");

    let body = json!({"input": {"data": "cancer"}, "seed": 7, "promote": true, "gates": ["accuracy >= 0.9"]});
    let training = world.finished(&train(&world, &version, &body).await).await;
    assert_eq!(training["status"], "succeeded", "{training:#}");
    world
        .until("/v1/models/lab/cancer", |model| {
            model["latest_version"]["number"] == 2
        })
        .await;
    let id = training["id"].as_str().unwrap();
    let (_, series) = world.get(&format!("/v1/trainings/{id}/metrics")).await;
    for name in ["loss", "validation_loss", "accuracy"] {
        assert!(
            series["series"][name].as_array().unwrap().len() > 10,
            "{name}: {series:#}"
        );
    }

    let rows = held_out();
    let calls = rows
        .iter()
        .map(|(input, _)| world.predict("cancer", input.clone()));
    let answers = futures::future::join_all(calls).await;
    let right = answers
        .iter()
        .zip(&rows)
        .filter(|((_, answer), (_, truth))| best(&answer["output"]) == truth)
        .count();
    let accuracy = right as f64 / rows.len() as f64;
    assert!(
        rows.len() == 114 && accuracy >= 0.95,
        "{right} of {} right",
        rows.len()
    );

    as_a_batch_job(&world, accuracy).await;
    world.close().await;
}

/// A table of sixty people, one of unknown age.
fn people() -> String {
    let rows = (0..60).map(|n| {
        let age = match n {
            7 => String::new(),
            _ => n.to_string(),
        };
        let outcome = if n > 30 { "well" } else { "ill" };
        format!("{age},{},{outcome}\n", ["f", "m"][n % 2])
    });
    "age,sex,outcome\n".to_owned() + &rows.collect::<String>()
}

/// The same rows as a table, each column finding its input.
async fn as_a_batch_job(world: &World, accuracy: f64) {
    let table = cancer("heldout.csv");
    let table = table.to_str().unwrap();
    let words = [
        "batch",
        "cancer",
        table,
        "--label",
        "diagnosis",
        "--out",
        "result.csv",
    ];
    let batch = world.ok_json(&words).await;
    assert_eq!(batch["counts"]["done"], 114, "{batch:#}");
    let counted = batch["metrics"]["accuracy"].as_f64().unwrap();
    assert!((counted - accuracy).abs() < 1e-9, "{batch:#}");
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let Some(world) = world().await else { return };
    upload(&world, "people", people().into_bytes()).await;
    let layers = json!([{"type": "Linear", "out": 8}, "Tanh"]);
    let wrong = define(
        &world,
        "people",
        &json!({"target": "result", "layers": layers}),
    )
    .await;
    let body = json!({"input": {"data": "people"}});
    let ended = world.finished(&train(&world, &wrong, &body).await).await;
    let error = ended["error"].as_str().unwrap();
    assert!(
        ended["status"] == "failed"
            && error.contains("no column `result`")
            && error.contains("`age`, `sex`, `outcome`"),
        "{ended:#}"
    );

    let version = define(
        &world,
        "people",
        &json!({"target": "outcome", "layers": layers, "epochs": 5}),
    )
    .await;
    let body = json!({"input": {"data": "people"}, "promote": true});
    let ended = world.finished(&train(&world, &version, &body).await).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    let number = ended["output"]["number"].clone();
    world
        .until("/v1/models/lab/people", |model| {
            model["latest_version"]["number"] == number
        })
        .await;
    for (input, pointer, expected) in [
        (json!({"age": 30}), "/input/sex", "given"),
        (
            json!({"age": 30, "sex": "x"}),
            "/input/sex",
            "one of \"f\", \"m\"",
        ),
        (
            json!({"age": "old", "sex": "f"}),
            "/input/age",
            "null or a number",
        ),
        (
            json!({"sex": "f", "size": 3}),
            "/input/size",
            "an input of the model",
        ),
    ] {
        let (status, problem) = world.predict("people", input).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{problem:#}"
        );
        let told = problem["errors"][0]["expected"].as_str().unwrap();
        assert!(told.starts_with(expected), "{problem:#}");
    }
    let (_, told) = world.predict("people", json!({"sex": "f"})).await;
    assert_eq!(
        told["status"], "succeeded",
        "`age` was missing in training, so it may be: {told:#}"
    );
    world.close().await;
}

#[tokio::test]
async fn the_command_line_pushes_a_template_and_shows_what_is_wrong_with_a_config() {
    let Some(world) = world().await else { return };
    let file = world.folder.path().join("net.json");
    let push = |name: &'static str| {
        let config = file.to_str().unwrap().to_owned();
        let words = ["push", "--template", "tabular-torch", "--config"].map(str::to_owned);
        [words.as_slice(), &[config, "--name".into(), name.into()]].concat()
    };
    std::fs::write(&file, r#"{"target": "y", "layers": ["Tahn"]}"#).unwrap();
    let words = push("net");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let refused = world.run(&words).await;
    let told = text(&refused.stderr);
    assert!(
        refused.status.code() == Some(2)
            && told.contains("`config.layers.0`")
            && told.contains("did you mean `Tanh`?"),
        "{:?}: {told}",
        refused.status
    );
    std::fs::write(&file, r#"{"target": "y", "layers": ["Tanh"]}"#).unwrap();
    let made = world.ok(&words).await;
    assert_eq!(made.trim(), "lab/net v1");
    let train = world.run(&["train", "net", "data=nothing"]).await;
    let told = text(&train.stderr);
    assert!(
        !train.status.success() && told.contains("nothing"),
        "{told}"
    );
    world.close().await;
}

#[tokio::test]
async fn a_training_whose_worker_is_killed_goes_on_from_its_checkpoint() {
    let Some(world) = world().await else { return };
    upload(
        &world,
        "cancer",
        std::fs::read(cancer("train.csv")).unwrap(),
    )
    .await;
    let mut config = config();
    config["patience"] = json!(0);
    let version = define(&world, "cancer", &config).await;
    // Long enough to be cut, and little work: a task gives way to all else on the machine.
    let body = json!({"input": {"data": "cancer", "epochs": 400}, "seed": 7});
    let path = train(&world, &version, &body).await;
    world
        .until(&path, |training| {
            training["checkpoints"]
                .as_array()
                .is_some_and(|kept| !kept.is_empty())
        })
        .await;
    // The worker of the training, not that of the version that is live.
    let tasks = world.pids(" task ");
    let mut workers = world.pids("onstage.worker");
    workers.retain(|pid| tasks.contains(&parent(*pid)));
    assert_eq!(workers.len(), 1, "{:?}", world.processes());
    signal(workers[0], "KILL");
    let ended = world.finished(&path).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    let (_, log) = world.get(&format!("{path}/logs")).await;
    let log = log.as_str().unwrap();
    let at = log
        .split_once("goes on after epoch ")
        .unwrap_or_else(|| panic!("it was not cut, or began anew: {log}"))
        .1;
    let epoch: u32 = at.split_whitespace().next().unwrap().parse().unwrap();
    assert!(epoch >= 10 && epoch.is_multiple_of(10), "{epoch}");
    let (_, metrics) = world.get(&format!("{path}/metrics")).await;
    let last = metrics["series"]["loss"]
        .as_array()
        .unwrap()
        .last()
        .cloned();
    assert_eq!(last.unwrap()["step"], 400.0, "{metrics:#}");
    world.close().await;
}

fn parent(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let parent = fields.split_whitespace().nth(1);
    parent.and_then(|parent| parent.parse().ok()).unwrap_or(0)
}

/// The guide's blocks of one language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = GUIDE.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// Runs a program where the guide says to stand: in the checkout.
async fn follow(world: &World, program: &Path, arguments: &[&str], script: &str) -> String {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(script)
        .current_dir(example("..").canonicalize().unwrap())
        .env("ONSTAGE_URL", &world.url)
        .env("ONSTAGE_TOKEN", &world.token)
        .env("REPLICATE_BASE_URL", &world.url)
        .env("REPLICATE_API_TOKEN", &world.token);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{script}\n{}{}\nserver:\n{}",
        text(&output.stdout),
        text(&output.stderr),
        world.printed()
    );
    text(&output.stdout)
}

#[tokio::test]
async fn the_guide_does_with_curl_what_it_says() {
    let Some(world) = world().await else { return };
    let steps = blocks("sh");
    assert_eq!(steps.len(), 5, "ingest, define, train, save, infer");
    let script = format!("set -euo pipefail\n{}", steps.join("\n"));
    let said = follow(&world, Path::new("bash"), &["-c"], &script).await;
    assert!(said.contains("malignant"), "{said}");
    world.close().await;
}

#[tokio::test]
async fn the_guide_does_with_replicates_own_client_what_it_says() {
    let Some(world) = world().await else { return };
    let python = cache().join("torch/bin/python");
    let said = follow(&world, &python, &["-c"], &blocks("python").join("\n")).await;
    assert!(said.contains("malignant"), "{said}");
    world.close().await;
}
