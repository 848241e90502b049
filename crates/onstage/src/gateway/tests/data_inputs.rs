//! Datasets as inputs of predictions: named, pinned, placed once, needed by jobs; for the owner.

use super::{
    ask::{Ask, Reply},
    world::World,
};
use http::Method;
use onstage_core::job::JobSpec;
use serde_json::{Value, json};

const CODE: &str = "
import onstage as on

@on.predict
def f(data: on.Dataset, more: list[on.Dataset] = [], any: dict = {}) -> dict:
    return {
        'told': [[one.name, one.version, one.text()] for one in [data, *more]],
        'path': str(data.path),
    }
";
const LATER: &str = "
import onstage as on

@on.predict(background=True)
def f(data: on.Dataset) -> str:
    return data.text()
";
const PATH: &str = "/v1/models/lab/fish/predictions";

impl World {
    async fn fish(&self, text: &str) {
        let put = self.ask(Method::PUT, "/v1/datasets/fish");
        put.bearer(&self.owner)
            .body(text.to_owned())
            .send()
            .await
            .is(201);
    }

    fn with_data(&self, input: &Value) -> Ask<'_> {
        self.post(PATH).json(&json!({ "input": input }))
    }

    /// Tries to delete the first version.
    async fn forget_fish(&self) -> Reply {
        let one = self.ask(Method::DELETE, "/v1/datasets/fish/versions/1");
        one.bearer(&self.owner).send().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prediction_names_datasets_or_files_and_gets_them_on_its_host() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    world.fish("x\n1\n").await;
    world.fish("x\n2\n").await;
    let input = json!({
        "data": "fish",
        "more": ["fish@v1", "onstage://datasets/fish@v2", "data:text/csv,x%0A3%0A"],
    });
    let made = world.with_data(&input).send().await.is(201).json();
    assert_eq!(made["status"], "succeeded", "{made:#}");
    assert_eq!(
        made["output"]["told"],
        json!([
            ["fish", 2, "x\n2\n"],
            ["fish", 1, "x\n1\n"],
            ["fish", 2, "x\n2\n"],
            ["dataset", null, "x\n3\n"]
        ])
    );
    let pinned =
        json!({"data": "fish@v2", "more": ["fish@v1", "fish@v2", "data:text/csv,x%0A3%0A"]});
    assert_eq!(made["input"], pinned);
    let kept = world.get(&format!("/v1/predictions/{}", made["id"].as_str().unwrap()));
    assert_eq!(kept.send().await.is(200).json()["input"], pinned);
    let again = world.with_data(&json!({"data": "fish"})).send().await;
    assert_eq!(
        again.is(201).json()["output"]["path"],
        made["output"]["path"],
        "it is placed once"
    );
    let form = world.post(PATH).form(&[
        ("more", None, "[\"fish@v1\"]"),
        ("data", Some("own.csv"), "x\n4\n"),
    ]);
    let form = form.send().await.is(201).json();
    assert_eq!(
        form["output"]["told"],
        json!([["own.csv", null, "x\n4\n"], ["fish", 1, "x\n1\n"]])
    );
    assert_eq!(form["input"]["more"], json!(["fish@v1"]), "{form:#}");
    world.forget_fish().await.is(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_that_is_not_there_or_not_the_callers_is_refused() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    world.fish("x\n1\n").await;
    for (input, at) in [
        (json!({"data": "cod"}), "/input/data"),
        (json!({"data": "fish@v9"}), "/input/data"),
        (json!({"data": "Fish at home"}), "/input/data"),
        (json!({"data": "fish", "more": ["cod"]}), "/input/more/0"),
        (
            json!({"data": "fish", "any": {"in": {"$dataset": "fish@v1"}}}),
            "/input/any/in/$dataset",
        ),
    ] {
        let refused = world.with_data(&input).send().await.is(422).json();
        assert_eq!(refused["errors"][0]["pointer"], at, "{refused:#}");
    }
    let theirs = |data: &str| {
        let input = json!({"input": {"data": data}});
        let ask = world.ask(Method::POST, PATH).bearer(&world.stakeholder);
        ask.json(&input)
    };
    theirs("fish").send().await.problem(403, "owner_only");
    theirs("cod").send().await.problem(403, "owner_only");
    let own = theirs("data:text/csv,x%0A5%0A").send().await.is(201).json();
    assert_eq!(own["output"]["told"], json!([["dataset", null, "x\n5\n"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_keeps_the_datasets_of_its_input() {
    let world = World::new().await;
    world.live("lab/fish", LATER).await;
    world.fish("x\n1\n").await;
    let made = world
        .with_data(&json!({"data": "fish"}))
        .send()
        .await
        .is(202)
        .json();
    assert_eq!(made["input"], json!({"data": "fish@v1"}));
    let job = world
        .parts
        .store
        .job(&made["id"].as_str().unwrap().parse().unwrap())
        .await;
    let JobSpec::Prediction { input, datasets } = job.unwrap().unwrap().spec else {
        panic!("it is no prediction")
    };
    assert_eq!(datasets, ["fish@v1".parse().unwrap()]);
    assert!(format!("{input:?}").contains("$dataset"), "{input:?}");
    world.forget_fish().await.is(409);
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    world.post(&format!("{path}/cancel")).send().await.is(200);
    world
        .ask(Method::DELETE, &path)
        .bearer(&world.owner)
        .send()
        .await
        .is(204);
    world.forget_fish().await.is(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prediction_with_a_key_is_a_job_with_datasets_that_runs_here() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    world.fish("x\n1\n").await;
    let ask = || {
        world
            .with_data(&json!({"data": "fish"}))
            .header("idempotency-key", "one")
    };
    let made = ask().send().await.is(201).json();
    assert_eq!(made["output"]["told"], json!([["fish", 1, "x\n1\n"]]));
    assert_eq!(made["input"], json!({"data": "fish@v1"}));
    assert_eq!(ask().send().await.is(201).json()["id"], made["id"]);
    world.forget_fish().await.is(409);
}
