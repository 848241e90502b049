//! What requests leave in the blobs: nothing that no record refers to, and nobody loses what another refers to.

use super::{ask::Ask, batches::drain, world::World};
use crate::gateway::body::budget::{BUFFERED_BYTES_MAX, Held};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const FLIP: &str = "
import onstage as on

@on.predict
def flip(file: on.File, times: int = 1) -> on.File:
    return on.File(file.bytes()[::-1] * times, name='flipped.csv')
";
const PATH: &str = "/v1/models/lab/flip/predictions";
/// Large enough for a blob of its own wherever it is kept.
const LARGE: usize = 400_000;

impl World {
    async fn flips(&self, later: bool) -> onstage_core::ModelName {
        let code = match later {
            true => FLIP.replace("@on.predict", "@on.predict(background=True)"),
            false => FLIP.to_owned(),
        };
        self.live("lab/flip", &code).await
    }

    async fn left_over(&self) -> Vec<String> {
        let mut kept = Vec::new();
        for folder in ["predictions/", "jobs/", "batches/"] {
            kept.extend(self.parts.blobs.list(folder).await.unwrap());
        }
        kept
    }

    fn flip(&self, file: &str) -> Ask<'_> {
        self.post(PATH).json(&json!({"input": {"file": file}}))
    }

    async fn uploaded(&self, bytes: usize) -> String {
        let text = "x\n".repeat(bytes / 2);
        let form = [("content", Some("x.csv"), text.as_str())];
        let made = self.post("/v1/files").form(&form).send().await.is(201);
        format!("onstage://files/{}", made.json()["id"].as_str().unwrap())
    }

    async fn forget(&self, id: &Value) {
        let path = format!("/v1/predictions/{}", id.as_str().unwrap());
        let delete = self.ask(Method::DELETE, &path).bearer(&self.owner);
        delete.send().await.is(204);
    }
}

/// A data URL that is kept in a blob.
fn large() -> String {
    format!("data:,{}", "a".repeat(LARGE))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_preview_leaves_no_table() {
    let world = World::new().await;
    world.flips(false).await;
    let form = [("table", Some("data.xlsx"), "PK")];
    let preview = world
        .post("/v1/models/lab/flip/batches/preview")
        .form(&form);
    preview.send().await.problem(422, "invalid_input");
    assert_eq!(world.left_over().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_job_takes_its_input_and_output_along() {
    let world = World::new().await;
    let name = world.flips(true).await;
    for (id, file) in [
        ("small-one", "data:,abc".to_owned()),
        ("large-one", large()),
    ] {
        let ask = world.ask(Method::PUT, &format!("/v1/predictions/{id}"));
        let body = json!({"version": "lab/flip", "input": {"file": file, "times": 2}});
        let made = ask.bearer(&world.owner).json(&body).send().await.is(202);
        drain(&world, &name).await;
        let kept = world.left_over().await;
        assert!(kept.iter().any(|key| key.starts_with("jobs/")), "{kept:?}");
        assert!(
            kept.iter().any(|key| key.starts_with("predictions/")),
            "{kept:?}"
        );
        world.forget(&made.json()["id"]).await;
        assert_eq!(world.left_over().await, Vec::<String>::new(), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_tried_again_outlives_the_old_one() {
    let world = World::new().await;
    let name = world.flips(true).await;
    for file in ["data:,abc".to_owned(), large()] {
        let old = world.flip(&file).send().await.is(202).json();
        let cancel = format!("/v1/jobs/{}/cancel", old["id"].as_str().unwrap());
        world.post(&cancel).send().await.is(200);
        let retry = format!("/v1/jobs/{}/retry", old["id"].as_str().unwrap());
        let new = world.post(&retry).send().await.is(202).json();
        world.forget(&old["id"]).await;
        drain(&world, &name).await;
        let path = format!("/v1/predictions/{}?wait=10", new["id"].as_str().unwrap());
        let done = world.get(&path).send().await.is(200).json();
        assert_eq!(done["status"], "succeeded", "{done:#}");
        world.forget(&new["id"]).await;
        assert_eq!(world.left_over().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_or_refused_request_leaves_nothing_more() {
    let world = World::new().await;
    world.flips(true).await;
    let ask = || world.flip(&large()).header("idempotency-key", "one").send();
    ask().await.is(202);
    let kept = world.left_over().await;
    let records = kept.iter().filter(|key| key.contains("/record/"));
    assert_eq!(records.count(), 0, "a job has its input whole: {kept:?}");
    ask().await.is(202);
    assert_eq!(world.left_over().await, kept);
    let other = world.flip(&format!("{}b", large()));
    let other = other.header("idempotency-key", "one").send().await;
    other.problem(409, "conflict");
    assert_eq!(world.left_over().await, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_here_and_is_repeated_or_refused_leaves_nothing_more() {
    let world = World::with_engine(|settings| settings.queue_items_max = 1).await;
    world.flips(false).await;
    let ask = || world.flip(&large()).header("idempotency-key", "one").send();
    ask().await.is(201);
    let kept = world.left_over().await;
    ask().await.is(201);
    assert_eq!(world.left_over().await, kept);
    // The front stops taking requests, so that all are refused from here on.
    world.engine.shutdown(Duration::ZERO).await;
    let refused = world.flip(&large()).send().await;
    assert!(refused.status.is_server_error(), "{}", refused.text());
    assert_eq!(world.left_over().await, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_that_a_request_names_are_booked_or_copied() {
    let world = World::new().await;
    world.flips(false).await;
    let file = world.uploaded(LARGE).await;
    let made = world.flip(&file).send().await.is(201).json();
    let output = made["output"].as_str().unwrap().to_owned();
    world
        .until("it is recorded", async || {
            let id = made["id"].as_str().unwrap().parse().unwrap();
            world.engine.find(&id).is_none().then_some(())
        })
        .await;
    let mut others = Held::default();
    others
        .grow(&world.state.bodies, BUFFERED_BYTES_MAX)
        .unwrap();
    for file in [&file, &output] {
        let full = world.flip(file).send().await;
        full.problem(503, "too_much_at_once");
    }
    let table = json!({"table": output, "format": "csv"});
    let batch = world.post("/v1/models/lab/flip/batches").json(&table);
    let batch = batch.send().await.is(202).json();
    let key = format!("batches/{}/table", batch["id"].as_str().unwrap());
    assert_eq!(world.parts.blobs.size(&key).await.unwrap(), LARGE as u64);
    drop(others);
    world.flip(&output).send().await.is(201);
}
