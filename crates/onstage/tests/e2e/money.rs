//! Usage and its limits: what was computed is added up, a job that is too dear is refused, a model that has spent its month sleeps.

use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;

const CODE: &str = r#"
import time
import onstage as on

@on.predict
def f(x: int) -> int:
    time.sleep(0.02)
    return x
"#;

/// A core costs a dollar for each millisecond: all sums are large.
const DEAR: (&str, &str) = ("ONSTAGE_PRICE_VCPU_HOUR", "3600000");

async fn push(world: &World, money: &str) {
    let toml = format!("[model]\nname = \"dear\"\n[money]\n{money}\n");
    world.push("dear", CODE, &[("onstage.toml", &toml)]).await;
}

/// The report once as many runs are in it; sums are written every few seconds.
async fn usage(world: &World, query: &str, runs: u64) -> Value {
    world
        .until(&format!("/v1/usage?{query}"), |report| {
            report["total"]["runs"].as_u64() >= Some(runs)
        })
        .await
}

fn runs_by<'a>(report: &'a Value, key: &str) -> Vec<(&'a Value, u64)> {
    let lines = report["results"].as_array().unwrap();
    let line = |line: &'a Value| (&line[key], line["runs"].as_u64().unwrap());
    lines.iter().map(line).collect()
}

fn table(rows: usize) -> String {
    let numbers: String = (0..rows).map(|n| format!("{n}\n")).collect();
    format!("x\n{numbers}")
}

#[tokio::test]
async fn what_was_computed_is_added_up_and_priced() {
    let world = World::with(&[DEAR]).await;
    push(&world, "").await;
    for x in 0..3 {
        let (status, made) = world.predict("dear", json!({"x": x})).await;
        assert_eq!(status, 201, "{made:#}");
    }
    let (status, job) = world.batch("dear", "t.csv", table(5), json!({})).await;
    assert_eq!(status, 202, "{job:#}");
    let path = format!("/v1/batches/{}", job["id"].as_str().unwrap());
    let done = world.finished(&path).await;
    // A row is slept for 20 ms, and a millisecond is a dollar.
    let cost = done["metrics"]["cost_usd"].as_f64().unwrap();
    assert!(cost >= 5.0 * 20.0, "{done:#}");
    let report = usage(&world, "by=kind", 8).await;
    let kinds = runs_by(&report, "kind");
    assert_eq!(kinds, [(&json!("batch"), 5), (&json!("realtime"), 3)]);
    let total = &report["total"];
    let (compute, usd) = (&total["compute_s"], &total["usd"]);
    let (compute, usd) = (compute.as_f64().unwrap(), usd.as_f64().unwrap());
    assert!(compute >= 8.0 * 0.02, "{report:#}");
    assert!((usd / (compute * 1_000.0) - 1.0).abs() < 0.01, "{report:#}");
    let report = usage(&world, "by=model,version,day", 8).await;
    let line = &report["results"][0];
    assert_eq!(line["model"], "lab/dear");
    assert_eq!(line["version_number"], 1);
    assert_eq!(line["day"].as_str().unwrap().len(), "2026-01-31".len());
    let shown = world.ok(&["usage", "dear", "--by", "kind"]).await;
    assert!(
        shown.contains("realtime") && shown.contains("USD"),
        "{shown}"
    );
    let (status, problem) = world.get("/v1/usage?by=colour").await;
    assert_eq!(status, 400, "{problem:#}");
    world.close().await;
}

#[tokio::test]
async fn a_batch_job_that_is_too_dear_is_refused_with_its_estimate() {
    let world = World::with(&[DEAR]).await;
    push(&world, "run = 1000").await;
    let (status, first) = world.batch("dear", "t.csv", table(5), json!({})).await;
    assert_eq!(status, 202, "nothing is known yet: {first:#}");
    let path = format!("/v1/batches/{}", first["id"].as_str().unwrap());
    world.finished(&path).await;
    usage(&world, "by=kind", 5).await;
    // A row is some 20 USD.
    let (status, problem) = world.batch("dear", "t.csv", table(500), json!({})).await;
    assert_eq!((status, &problem["code"]), (402, &json!("over_budget")));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("may cost 1000.00 USD"), "{detail}");
    let (status, small) = world.batch("dear", "t.csv", table(2), json!({})).await;
    assert_eq!(status, 202, "{small:#}");
    let path = format!("/v1/batches/{}", small["id"].as_str().unwrap());
    world.finished(&path).await;
    world.close().await;
}

#[tokio::test]
async fn a_model_that_has_spent_its_month_sleeps_and_says_so() {
    let world = World::with(&[DEAR]).await;
    push(&world, "month = 30").await;
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    let problem = loop {
        assert!(std::time::Instant::now() < deadline, "it never sleeps");
        let (status, said) = world.predict("dear", json!({"x": 1})).await;
        if status == 402 {
            break said;
        }
        assert_eq!(status, 201, "{said:#}");
        tokio::time::sleep(Duration::from_millis(200)).await; // poll
    };
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("sleeps until next month"), "{detail}");
    let (_, model) = world.get("/v1/models/lab/dear").await;
    let money = &model["money"];
    assert_eq!(
        (&money["month"], &money["run"], &money["at_limit"]),
        (&json!(30.0), &Value::Null, &json!("sleep"))
    );
    assert!(
        money["asleep"] == true && money["spent"].as_f64().unwrap() >= 30.0,
        "{money}"
    );
    assert_eq!(model["readiness"]["state"], "asleep");
    let said = model["readiness"]["text"].as_str().unwrap();
    assert!(said.contains("sleeps until next month"), "{said}");
    let (status, job) = world.batch("dear", "t.csv", table(1), json!({})).await;
    assert_eq!((status, &job["code"]), (402, &json!("over_budget")));
    // A version that may cost more wakes it up.
    push(&world, "month = 1000000").await;
    let (status, made) = world.predict("dear", json!({"x": 1})).await;
    assert_eq!(status, 201, "{made:#}");
    let (_, model) = world.get("/v1/models/lab/dear").await;
    assert_eq!(
        (&model["money"]["asleep"], &model["money"]["month"]),
        (&json!(false), &json!(1_000_000.0))
    );
    world.close().await;
}

#[tokio::test]
async fn a_batch_job_says_what_it_has_cost_while_it_runs() {
    let world = World::with(&[DEAR]).await;
    push(&world, "").await;
    let (status, job) = world.batch("dear", "t.csv", table(400), json!({})).await;
    assert_eq!(status, 202, "{job:#}");
    let path = format!("/v1/batches/{}", job["id"].as_str().unwrap());
    let running = world
        .until(&path, |job| {
            job["progress"]["cost_usd_expected"].is_number()
        })
        .await;
    assert_eq!(running["status"], "processing", "{running:#}");
    let of = |name: &str| running["progress"][name].as_f64().unwrap();
    // A row costs 20 dollars or more, and each as much as the others.
    assert!(
        of("cost_usd") >= of("done") * 20.0 && of("done") < 400.0,
        "{running:#}"
    );
    let each = of("cost_usd") / of("done");
    assert!(
        (of("cost_usd_expected") / each - 400.0).abs() < 0.01,
        "{running:#}"
    );
    let told = world.events(&path).await;
    let priced =
        |event: &&Value| event["event"] == "progress" && event["data"]["cost_usd"].is_number();
    assert!(told.iter().any(|event| priced(&event)), "{told:#?}");
    world.close().await;
}
