//! Limits of money: asked before every job, and never of what was accepted before.

use super::{
    batches::drain,
    predictions::{PATH, THING},
    world::World,
};
use onstage_core::usage::{Amounts, Usage, UsageKind, day_of};
use serde_json::{Value, json};

const BATCHES: &str = "/v1/models/lab/thing/batches";

impl World {
    /// Notes that somebody has used what a model may cost in a month.
    async fn spend(&self) {
        let used = Usage {
            day: day_of(self.parts.clock.now()),
            model: "lab/thing".parse().unwrap(),
            version_number: 1,
            by: self.parts.new_id(),
            kind: UsageKind::Realtime,
            amounts: Amounts {
                runs: 1,
                cpu_ms: 3_600_000,
                ..Amounts::default()
            },
        };
        self.parts.store.add_usage(vec![used]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_answered_and_what_is_new_is_refused() {
    let world = World::with_engine(|settings| settings.prices.vcpu_hour = 100.0).await;
    let name = world
        .live_with("lab/thing", THING, "[money]\nmonth = 50")
        .await;
    let predict = |key: &str| {
        let ask = world.post(PATH).header("idempotency-key", key);
        ask.json(&json!({"input": {"n": 2}})).send()
    };
    let batch = |key: &str| {
        let body = json!({"table": "data:text/csv,n%0A1%0A999%0A"});
        let ask = world.post(BATCHES).header("idempotency-key", key);
        ask.json(&body).send()
    };
    let predicted = predict("one").await.is(201).json();
    let batched = batch("one").await.is(202).json();
    drain(&world, &name).await;
    world.spend().await;

    predict("two").await.problem(402, "over_budget");
    batch("two").await.problem(402, "over_budget");
    assert_eq!(world.parts.blobs.list("batches/").await.unwrap().len(), 1);
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    assert_eq!(predict("one").await.is(201).json()["id"], predicted["id"]);
    assert_eq!(batch("one").await.is(202).json()["id"], batched["id"]);
    for path in [
        format!("/v1/batches/{}/retry", id(&batched)),
        format!("/v1/jobs/{}/retry", id(&batched)),
        format!("/v1/jobs/{}/retry", id(&predicted)),
    ] {
        let retried = world.post(&path).send().await;
        retried.problem(402, "over_budget");
    }
}
