//! Trainings as they are asked for, their series, and what is known of trained versions.

use super::{ask::Ask, world::World};
use http::Method;
use onstage_core::{
    Id,
    event::{EventKind, NewEvent},
    model::{NewVersion, Version, VersionId, VersionState},
    training::Lineage,
};
use serde_json::{Value, json};

const CODE: &str = "
import onstage as on

@on.predict
def f(x: int = 0) -> int:
    return x

@on.train
def fit(data: on.Dataset, epochs: int = on.Input(default=3, ge=1), *, ctx: on.Ctx) -> str:
    return 'w'
";

impl World {
    async fn trainer(&self) -> (Version, String) {
        let name = self.live("lab/fish", CODE).await;
        let versions = self.parts.store.versions(&name).await.unwrap();
        let path = format!("/v1/models/lab/fish/versions/{}/trainings", versions[0].id);
        (versions[0].clone(), path)
    }

    fn train(&self, path: &str, input: &Value) -> Ask<'_> {
        self.post(path).json(&json!({ "input": input }))
    }

    /// As the commit of a training would add it.
    async fn trained(&self, trainer: &Version, letter: &str, accuracy: f64) -> Version {
        let id = VersionId(letter.repeat(64));
        let lineage = Lineage {
            training: "training-1".parse().unwrap(),
            trainer: trainer.id.clone(),
            trainer_model: trainer.model.clone(),
            trainer_number: trainer.number,
            datasets: vec!["fish@v1".parse().unwrap()],
            parameters: json!({"epochs": 3, "data": "fish@v1"}).to_string(),
            seed: 7,
            code_sha256: trainer.bundle.sha256.clone(),
            environment_sha256: None,
            resumed: None,
            runs: 1,
            seconds: 1.5,
            metrics: [("accuracy".to_owned(), accuracy)].into(),
        };
        let new = NewVersion {
            id: id.clone(),
            model: trainer.model.clone(),
            bundle: trainer.bundle.clone(),
            config: trainer.config.clone(),
            examples: trainer.examples.clone(),
            promote_when_ready: false,
            created_at: self.parts.clock.now(),
            weights: None,
            lineage: Some(lineage),
        };
        self.parts.store.add_version(new).await.unwrap();
        self.engine.nudge();
        self.until("the trained version is ready", async || {
            let version = self.parts.store.version(&id).await.unwrap().unwrap();
            matches!(version.state, VersionState::Ready { .. }).then_some(version)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_training_is_checked_and_its_datasets_are_pinned() {
    let world = World::new().await;
    let (_, path) = world.trainer().await;
    for (input, at) in [
        (json!({"data": "fish"}), "data"),
        (json!({"data": "fish@v1", "epochs": 0}), "epochs"),
        (json!({"epochs": 1}), "data"),
        (json!({"data": "data:,x", "more": 1}), "more"),
        (json!({"data": "http://elsewhere/x"}), "data"),
    ] {
        let refused = world.train(&path, &input).send().await.is(422);
        assert!(refused.text().contains(at), "{input}: {}", refused.text());
    }
    let put = world.ask(Method::PUT, "/v1/datasets/fish");
    put.bearer(&world.owner).body("x\n1\n").send().await.is(201);
    let made = world.train(&path, &json!({"data": "fish"})).send().await;
    let made = made.is(201);
    let training = made.json();
    let get = format!("/v1/trainings/{}", training["id"].as_str().unwrap());
    assert_eq!(made.header("location"), get);
    assert_eq!(training["status"], "starting");
    assert_eq!(training["datasets"], json!(["fish@v1"]));
    assert_eq!(training["input"]["data"], "fish@v1", "{training:#}");
    assert_eq!(training["destination"], "lab/fish");
    assert!(training["seed"].is_u64());
    assert_eq!(
        world.get(&get).send().await.is(200).json()["id"],
        training["id"]
    );
    let list = world.get("/v1/trainings").send().await.is(200).json();
    assert_eq!(list["results"][0]["id"], training["id"]);
    let gone = world.ask(Method::DELETE, "/v1/datasets/fish/versions/1");
    gone.bearer(&world.owner).send().await.is(409);
    world.post(&format!("{get}/retry")).send().await.is(409);
    world.post(&format!("{get}/cancel")).send().await.is(200);
    let ended = world.get(&get).send().await.is(200).json();
    assert_eq!(ended["status"], "canceled");
    let again = world.post(&format!("{get}/retry")).send().await.is(201);
    assert_ne!(again.json()["id"], training["id"]);
    world.get("/v1/trainings/none-00001").send().await.is(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_makes_one_training_and_what_cannot_train_says_so() {
    let world = World::new().await;
    let (_, path) = world.trainer().await;
    let asked = async |body: &Value| {
        let ask = world.post(&path).header("idempotency-key", "k1");
        ask.json(body).send().await
    };
    let body = json!({"input": {"data": "data:text/csv,x"}});
    let one = asked(&body).await.is(201).json();
    let two = asked(&body).await.is(201).json();
    assert_eq!(one["id"], two["id"]);
    let other = json!({"input": {"data": "data:text/csv,y"}});
    let refused = asked(&other).await;
    assert!(refused.status.is_client_error(), "{}", refused.text());
    for body in [
        json!({"input": {"data": "data:,x"}, "gates": ["accuracy"], "destination": "lab/other"}),
        json!({"input": {"data": "data:,x"}, "destination": "no spaces/here"}),
    ] {
        let refused = world.post(&path).json(&body).send().await;
        assert!(refused.status.is_client_error(), "{body}");
    }
    world.get("/v1/models/lab/other").send().await.is(404);
    let kept = world.parts.blobs.list("trainings/").await.unwrap();
    let own = format!("trainings/{}/input/file-0", one["id"].as_str().unwrap());
    assert_eq!(kept, [own], "only what was accepted, once");
    let plain = "import onstage as on\n\n@on.predict\ndef f(x: int) -> int:\n    return x\n";
    world.live("lab/plain", plain).await;
    let path = "/v1/models/lab/plain/versions/1/trainings";
    let refused = world.train(path, &json!({})).send().await.is(409).json();
    assert_eq!(refused["code"], "no_training");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_series_as_json_and_csv() {
    let world = World::new().await;
    let (_, path) = world.trainer().await;
    let made = world.train(&path, &json!({"data": "data:text/csv,x"}));
    let training = made.send().await.is(201).json();
    let id: Id = training["id"].as_str().unwrap().parse().unwrap();
    let metric = |step: u32, loss: f64| NewEvent {
        kind: EventKind::Metric,
        at: world.parts.clock.now(),
        data: json!({"values": {"loss": loss}, "step": step}).to_string(),
    };
    let events = vec![metric(1, 0.5), metric(2, 0.25)];
    let store = &world.parts.store;
    store.append_events(&id, None, events).await.unwrap();
    let path = format!("/v1/trainings/{id}/metrics");
    let series = world.get(&path).send().await.is(200).json();
    assert_eq!(series["last"], json!({"loss": 0.25}));
    assert_eq!(series["series"]["loss"][0]["value"], 0.5);
    assert_eq!(series["series"]["loss"][1]["step"], 2.0);
    let csv = world
        .get(&format!("{path}?format=csv"))
        .send()
        .await
        .is(200);
    assert!(csv.text().contains("loss"), "{}", csv.text());
    world
        .get(&format!("{path}?format=xml"))
        .send()
        .await
        .is(400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trained_versions_are_compared_and_gates_hold_them_back() {
    let world = World::new().await;
    let (trainer, _) = world.trainer().await;
    let poor = world.trained(&trainer, "b", 0.8).await;
    let good = world.trained(&trainer, "c", 0.97).await;
    let path = "/v1/models/lab/fish/compare?versions=1,v2,3";
    let compared = world.get(path).send().await.is(200).json();
    assert_eq!(compared["metrics"]["accuracy"], json!([null, 0.8, 0.97]));
    assert_eq!(compared["parameters"]["epochs"], json!([null, 3, 3]));
    assert_eq!(compared["versions"][0]["live"], true);
    world
        .get("/v1/models/lab/fish/compare")
        .send()
        .await
        .is(400);
    let shown = world.get("/v1/models/lab/fish/versions/3").send().await;
    let shown = shown.is(200).json();
    assert_eq!(shown["lineage"]["trainer"], trainer.id.0);
    assert_eq!(shown["metrics"], json!({"accuracy": 0.97}));
    let graph = world.get("/v1/models/lab/fish/lineage").send().await;
    let graph = graph.is(200).json();
    let edge = json!({"from": "dataset:fish@v1", "to": "training:training-1"});
    assert!(
        graph["edges"].as_array().unwrap().contains(&edge),
        "{graph:#}"
    );
    let promote = |version: &Version| {
        let path = format!("/v1/models/lab/fish/versions/{}/promote", version.number);
        world.post(&path)
    };
    let gates = json!({"gates": ["accuracy >= 0.95"]});
    let refused = promote(&poor).json(&gates).send().await.is(409).json();
    assert_eq!(refused["code"], "gate_not_reached");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("0.8") && detail.contains("accuracy >= 0.95"),
        "{detail}"
    );
    promote(&good).json(&gates).send().await.is(200);
    let forced = json!({"gates": ["accuracy >= 0.95"], "force": true});
    promote(&poor).json(&forced).send().await.is(200);
    let gone = world.ask(Method::DELETE, "/v1/models/lab/fish/versions/1");
    let refused = gone.bearer(&world.owner).send().await.is(409).json();
    assert_eq!(refused["code"], "version_in_use");
}
