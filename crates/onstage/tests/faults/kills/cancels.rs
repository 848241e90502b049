//! F13: a cancel races the end of what it cancels: one of them counts, and what was cancelled shows no result.

use super::stage::Stage;
use crate::{experiment::Experiment, world::PATIENCE};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Jobs that run at once.
const AT_ONCE: u64 = 20;
/// How long one computes; the cancel comes while it does, or so much after.
const JOB_MS: u64 = 100;
const LATE_MS: u64 = 40;

#[tokio::test]
async fn f13_a_cancel_that_races_the_end() {
    let mut it = Experiment::new("F13", "a cancel races the end of its job", 10_000, 200);
    let stage = Stage::open("300ms").await;
    let (mut canceled, mut succeeded) = (0_u64, 0_u64);
    for group in 0..(it.rounds() as u64).div_ceil(AT_ONCE) {
        let delays: Vec<u64> = (0..AT_ONCE).map(|_| it.random(JOB_MS + LATE_MS)).collect();
        let jobs = delays.into_iter().enumerate();
        let jobs = jobs.map(|(place, delay)| race(&stage, group * AT_ONCE + place as u64, delay));
        for (first, last) in futures::future::join_all(jobs).await {
            let (state, output) = (last["status"].as_str().unwrap_or_default(), &last["output"]);
            canceled += u64::from(state == "canceled");
            succeeded += u64::from(state == "succeeded");
            it.check(
                matches!(
                    (state, output.is_null()),
                    ("canceled", true) | ("succeeded", false)
                ),
                || format!("it ended as neither: {last}"),
            );
            let told = first["status"].as_str().unwrap_or_default();
            let is_end = matches!(told, "canceled" | "succeeded");
            it.check(!is_end || told == state, || {
                format!("the cancel was told {told}, and it is {last}")
            });
        }
    }
    it.measured("canceled", canceled);
    it.measured("succeeded", succeeded);
    it.check(canceled > 0 && succeeded > 0, || {
        "no race: one side always won".to_owned()
    });
    let record = stage.close().await;
    for row in &record.jobs {
        it.check(row.ends.len() <= 1, || format!("it ended twice: {row:?}"));
        it.check(row.state == "succeeded" || row.output.is_null(), || {
            format!("cancelled with a result: {row:?}")
        });
    }
    it.end();
}

/// Submits, cancels about when it ends, and answers what the cancel was told and what is.
async fn race(stage: &Stage, n: u64, delay: u64) -> (Value, Value) {
    let body = json!({"input": {"n": n, "ms": JOB_MS}});
    let path = "/v1/models/lab/kept/predictions";
    let (_, made) = stage.caller.submit(path, &body, &format!("{n}")).await;
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let mut record = made;
    // A task hears of a cancel with its next beat, so that short jobs mostly win; some are cancelled around their claim.
    while record["status"] == "starting" && !n.is_multiple_of(4) {
        assert!(Instant::now() < deadline, "it does not start: {record}");
        record = stage.caller.get(&path).await.1;
    }
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let cancel = stage
        .caller
        .request(Method::POST, &format!("{path}/cancel"));
    let (status, told) = stage.caller.ask(cancel).await.unwrap();
    assert_eq!(status, 200, "{told}");
    (told, stage.world.finished(&path).await)
}
