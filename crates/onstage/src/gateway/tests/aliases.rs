//! Aliases: set, moved under a condition, used wherever a version is named, and what they keep from being deleted.

use super::{
    models::{AGE, answer_of, push, state_is},
    predictions::THING,
    world::World,
};
use http::Method;
use serde_json::{Value, json};

async fn put(world: &World, alias: &str, wish: Value) -> super::ask::Reply {
    let path = format!("{AGE}/aliases/{alias}");
    let ask = world.ask(Method::PUT, &path).bearer(&world.owner);
    ask.json(&wish).send().await
}

async fn delete(world: &World, path: &str) -> super::ask::Reply {
    let ask = world.ask(Method::DELETE, &format!("{AGE}/{path}"));
    ask.bearer(&world.owner).send().await
}

/// Version 1 doubles, version 2 triples and is live.
async fn two_versions() -> World {
    let world = World::new().await;
    push(&world, THING).await;
    state_is(&world, "v1", "ready").await;
    answer_of(&world, 1).await;
    push(&world, &THING.replace("* 2", "* 3")).await;
    answer_of(&world, 2).await;
    world
}

async fn asked(world: &World, version: &str) -> Value {
    let ask = world.post("/v1/predictions");
    let ask = ask.json(&json!({"version": version, "input": {"n": 5}}));
    ask.send().await.is(201).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_is_set_moved_and_removed() {
    let world = two_versions().await;
    let made = put(&world, "staging", json!({"version": 1})).await;
    assert_eq!(made.is(201).json()["number"], 1);
    for wish in [
        json!({"version": 2, "was": null}),
        json!({"version": 2, "was": "v2"}),
    ] {
        let refused = put(&world, "staging", wish).await;
        refused.problem(409, "alias_was_moved");
    }
    put(
        &world,
        "champion",
        json!({"version": "staging", "was": null}),
    )
    .await
    .is(201);
    let moved = put(&world, "staging", json!({"version": "v2", "was": 1})).await;
    assert_eq!(moved.is(200).json()["number"], 2);
    let listed = world.get(&format!("{AGE}/aliases")).send().await;
    let listed = listed.is(200).json();
    let names: Vec<(&Value, &Value)> = listed["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["alias"], &one["number"]))
        .collect();
    assert_eq!(
        names,
        [
            (&json!("champion"), &json!(1)),
            (&json!("staging"), &json!(2))
        ]
    );
    let model = world.get(AGE).send().await.is(200).json();
    assert_eq!(model["aliases"], json!({"champion": 1, "staging": 2}));
    assert_eq!(model["latest_version"]["aliases"], json!(["staging"]));

    delete(&world, "aliases/staging?was=v1")
        .await
        .problem(409, "alias_was_moved");
    delete(&world, "aliases/staging?was=v2").await.is(204);
    delete(&world, "aliases/staging")
        .await
        .problem(404, "not_found");
    let gone = world.get(&format!("{AGE}/versions/staging")).send().await;
    gone.problem(404, "not_found");
    for name in ["3", "v3", "live", "deadbeef", "A"] {
        let refused = put(&world, name, json!({"version": 1})).await;
        assert_eq!(refused.status, 400, "{name}");
    }
    put(&world, "x", json!({"version": 9}))
        .await
        .problem(404, "not_found");
    put(&world, "x", json!({"version": [1]}))
        .await
        .problem(422, "invalid_input");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_names_its_version_everywhere() {
    let world = two_versions().await;
    put(&world, "staging", json!({"version": 1})).await.is(201);
    for version in ["lab/age@staging", "lab/age:staging"] {
        let answer = asked(&world, version).await;
        assert_eq!(
            (&answer["output"], &answer["version_number"]),
            (&json!(10), &json!(1))
        );
    }
    for path in [
        format!("{AGE}/versions/staging"),
        format!("{AGE}/versions/staging/logs"),
        "/v2/models/age/versions/staging".to_owned(),
        "/v2/models/age/versions/staging/ready".to_owned(),
    ] {
        world.get(&path).send().await.is(200);
    }
    let compared = world
        .get(&format!("{AGE}/compare?versions=staging,2"))
        .send()
        .await;
    let compared = compared.is(200).json();
    assert_eq!(compared["versions"][0]["number"], 1);
    assert_eq!(compared["versions"][0]["aliases"], json!(["staging"]));
    let infer = world.post("/v2/models/age/versions/staging/infer");
    let tensor = json!({"name": "n", "shape": [1], "datatype": "INT64", "data": [5]});
    let inferred = infer
        .json(&json!({"inputs": [tensor]}))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(inferred["model_version"], "1");
    let batch = world.post(&format!("{AGE}/batches"));
    let table = json!({"table": "data:text/csv,n%0A5%0A", "version": "staging"});
    let batch = batch.json(&table).send().await.is(202).json();
    assert_eq!(batch["version_number"], 1, "the job keeps the number");

    put(&world, "staging", json!({"version": 2})).await.is(200);
    let answer = asked(&world, "lab/age@staging").await;
    assert_eq!(answer["output"], 15, "moved, and known here at once");
    // What the realtime path goes by is in the cache: no request waits for the store.
    let (name, alias) = ("lab/age".parse().unwrap(), "staging".parse().unwrap());
    let known = world.engine.aliased(&name, &alias).unwrap();
    assert_eq!(known.version.number, 2);
    delete(&world, "aliases/staging").await.is(204);
    assert!(world.engine.aliased(&name, &alias).is_none());
    let kept = world
        .get(batch["urls"]["get"].as_str().unwrap())
        .send()
        .await;
    assert_eq!(kept.is(200).json()["version_number"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_alias_points_at_is_not_deleted() {
    let world = two_versions().await;
    put(&world, "champion", json!({"version": 1})).await.is(201);
    let refused = delete(&world, "versions/1").await;
    refused.problem(409, "version_in_use");
    let refused = delete(&world, "versions/champion").await;
    assert!(refused.text().contains("`champion`"), "{}", refused.text());
    delete(&world, "aliases/champion").await.is(204);
    delete(&world, "versions/1").await.is(204);
}
