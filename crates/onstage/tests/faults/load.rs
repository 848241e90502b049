//! Requests at a steady rate, whether or not the ones before were answered: what waits too long shows as latency, not as less load.
//! Knows no experiment.

use crate::{
    actor::Told,
    world::{World, answer},
};
use serde_json::json;
use std::time::{Duration, Instant};

/// An answer, and when it was asked for.
pub(crate) struct Asked {
    pub at: Instant,
    pub told: Told,
}

/// Asks a model `count` times, `per_s` a second, until `stop` says so.
pub(crate) async fn steady(
    world: &World,
    name: &str,
    per_s: f64,
    stop: impl Fn(usize) -> bool,
) -> Vec<Asked> {
    let began = Instant::now();
    let mut asked = Vec::new();
    while !stop(asked.len()) {
        let due = began + Duration::from_secs_f64(asked.len() as f64 / per_s);
        tokio::time::sleep_until(due.into()).await;
        let path = format!("/v1/models/lab/{name}/predictions");
        let request = world
            .request(reqwest::Method::POST, &path)
            .json(&json!({"input": {"x": 1}}));
        asked.push(tokio::spawn(async move {
            let at = Instant::now();
            let (status, answer) = answer(request).await;
            let took = at.elapsed();
            let told = Told {
                status,
                answer,
                took,
            };
            Asked { at, told }
        }));
    }
    let all = futures::future::join_all(asked).await;
    all.into_iter().map(Result::unwrap).collect()
}
