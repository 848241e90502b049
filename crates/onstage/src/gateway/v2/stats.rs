//! Counts and times in Triton's shape, from what the pools of this front have counted since it started.
//! Does not count anything itself.

use super::model;
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
};
use http::StatusCode;
use onstage_core::outcome::Reason;
use onstage_engine::{Loaded, PoolGauges, gauges::Histogram};
use serde_json::{Value as Json, json};

pub(super) async fn all(call: Call) -> Answer {
    let owner = &call.state.settings.default_owner;
    let pools = call.state.engine.gauges().pools;
    let listed: Vec<Json> = pools
        .iter()
        .filter(|pool| pool.model.owner() == owner)
        .map(shown)
        .collect();
    call::json(StatusCode::OK, &json!({ "model_stats": listed }))
}

pub(super) async fn one(call: Call) -> Answer {
    let loaded = model::loaded(&call).await?;
    let pools = call.state.engine.gauges().pools;
    let one = pools
        .iter()
        .find(|pool| pool.version == loaded.version.id)
        .map_or_else(|| shown(&never_asked(&loaded)), shown);
    call::json(StatusCode::OK, &json!({ "model_stats": [one] }))
}

fn never_asked(loaded: &Loaded) -> PoolGauges {
    PoolGauges {
        model: loaded.model.clone(),
        version: loaded.version.id.clone(),
        version_number: loaded.version.number,
        live: false,
        queued: 0,
        in_flight: 0,
        workers: Default::default(),
        answers: Vec::new(),
        refused: 0,
        starts: 0,
        deaths: 0,
        strays: 0,
        microbatches: 0,
        predict_seconds: Histogram::default(),
        queue_seconds: Histogram::default(),
    }
}

/// Times are not kept apart by outcome: those of failures are counted with the successes.
fn shown(pool: &PoolGauges) -> Json {
    let (mut succeeded, mut failed) = (0, 0);
    for (reason, count) in &pool.answers {
        match reason {
            Reason::Ok => succeeded += count,
            _ => failed += count,
        }
    }
    let (queue, predict) = (&pool.queue_seconds, &pool.predict_seconds);
    let none = json!({"count": 0, "ns": 0});
    json!({
        "name": pool.model.name(),
        "version": pool.version_number.to_string(),
        "inference_count": succeeded,
        "execution_count": pool.microbatches,
        "inference_stats": {
            "success": {"count": succeeded, "ns": nanoseconds(queue.sum + predict.sum)},
            "fail": {"count": failed, "ns": 0},
            "queue": {"count": queue.count, "ns": nanoseconds(queue.sum)},
            "compute_input": none,
            "compute_infer": {"count": predict.count, "ns": nanoseconds(predict.sum)},
            "compute_output": none,
            "cache_hit": none,
            "cache_miss": none,
        },
        "batch_stats": [],
    })
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
