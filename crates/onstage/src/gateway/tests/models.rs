//! Models and versions: push, promote, roll back, delete, numbers.

use super::{predictions::THING, world::World};
use http::Method;
use onstage_backends::bundle;
use serde_json::{Value, json};

fn archive(code: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.py"), code).unwrap();
    std::fs::write(
        folder.path().join("onstage.toml"),
        "[model]\nname = \"age\"\ntitle = \"Age\"\n",
    )
    .unwrap();
    let packed = bundle::pack(folder.path(), &[], &[]).unwrap();
    std::fs::read(&packed.archive).unwrap()
}

pub(super) const AGE: &str = "/v1/models/lab/age";

pub(super) async fn push(world: &World, code: &str) -> (u16, Value) {
    let path = format!("{AGE}/versions");
    let ask = world.post(&path).header("content-type", "application/gzip");
    let reply = ask.body(archive(code)).send().await;
    (reply.status.as_u16(), reply.json())
}

pub(super) async fn state_is(world: &World, version: &str, wanted: &str) -> Value {
    let path = format!("{AGE}/versions/{version}");
    let look = async || {
        let version = world.get(&path).send().await.is(200).json();
        (version["state"] == wanted).then_some(version)
    };
    world.until("the version's state changes", look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_pushed_and_goes_live() {
    let world = World::new().await;
    let (status, first) = push(&world, THING).await;
    assert_eq!(
        (status, &first["state"], &first["number"]),
        (201, &json!("building"), &json!(1))
    );
    let ready = state_is(&world, "v1", "ready").await;
    assert_eq!(
        ready["openapi_schema"]["components"]["schemas"]["Input"]["type"],
        "object"
    );
    let model = world.until("it is live", async || {
        let model = world.get(AGE).send().await.is(200).json();
        (model["live_version_number"] == 1).then_some(model)
    });
    let model = model.await;
    assert_eq!(
        (&model["title"], &model["owner"], &model["visibility"]),
        (&json!("Age"), &json!("lab"), &json!("private"))
    );
    assert_eq!(
        push(&world, THING).await.0,
        200,
        "the same content is the same version"
    );
}

/// An answer of this version, as soon as it is the live one.
pub(super) async fn answer_of(world: &World, number: u32) -> Value {
    let path = format!("{AGE}/predictions");
    let look = async || {
        let ask = world.post(&path).json(&json!({"input": {"n": 1}}));
        let reply = ask.send().await;
        let answer = (reply.status == 201).then(|| reply.json())?;
        (answer["version_number"] == number).then_some(answer)
    };
    world.until("this version is live", look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_promoted_rolled_back_and_deleted() {
    let world = World::new().await;
    push(&world, THING).await;
    let ready = state_is(&world, "v1", "ready").await;
    answer_of(&world, 1).await;
    push(&world, &THING.replace("* 2", "* 3")).await;
    assert_eq!(answer_of(&world, 2).await["output"], 3);
    let back = world
        .post(&format!("{AGE}/rollback"))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(back["live_version_number"], 1);
    assert_eq!(answer_of(&world, 1).await["output"], 2);
    let id = ready["id"].as_str().unwrap();
    for name in ["v2", "2"] {
        world
            .post(&format!("{AGE}/versions/{name}/promote"))
            .send()
            .await
            .is(200);
    }
    world
        .post(&format!("{AGE}/versions/{}/promote", &id[..8]))
        .send()
        .await
        .is(200);
    let delete = |name: &str| {
        world
            .ask(Method::DELETE, &format!("{AGE}/versions/{name}"))
            .bearer(&world.owner)
            .send()
    };
    delete("v1").await.problem(409, "version_is_live");
    delete("v2").await.is(204);
    delete("v2").await.problem(404, "not_found");
    let listed = world
        .get(&format!("{AGE}/versions"))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(listed["results"].as_array().unwrap().len(), 1);
    world.post(&format!("{AGE}/warmup")).send().await.is(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_cannot_be_built_says_why_to_its_author_only() {
    let world = World::new().await;
    push(&world, "import onstage as on\n\nx = 1 / 0  # here\n").await;
    let failed = state_is(&world, "v1", "failed").await;
    assert!(
        failed["error"]["traceback"]
            .as_str()
            .unwrap()
            .contains("ZeroDivisionError"),
        "{failed}"
    );
    let theirs = world
        .ask(Method::GET, &format!("{AGE}/versions/v1"))
        .bearer(&world.stakeholder);
    let theirs = theirs.send().await.is(200).text();
    assert!(!theirs.contains("ZeroDivisionError"), "{theirs}");
    let ask = world
        .post(&format!("{AGE}/predictions"))
        .json(&json!({"input": {}}));
    ask.send().await.problem(409, "no_live_version");
    world
        .post(&format!("{AGE}/versions/v1/promote"))
        .send()
        .await
        .problem(409, "conflict");
    world
        .post(&format!("{AGE}/rollback"))
        .send()
        .await
        .problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_that_are_none_are_refused() {
    let world = World::with(|settings| settings.bundle_bytes_max = 100_000).await;
    let path = format!("{AGE}/versions");
    let send = |kind: &str, body: Vec<u8>| {
        world
            .post(&path)
            .header("content-type", kind)
            .body(body)
            .send()
    };
    send("application/gzip", b"not an archive".to_vec())
        .await
        .problem(400, "invalid_request");
    send("application/gzip", Vec::new())
        .await
        .problem(400, "invalid_request");
    send("text/plain", archive(THING))
        .await
        .problem(415, "unsupported_media_type");
    send("application/gzip", vec![0; 100_001])
        .await
        .problem(413, "body_too_large");
    world.get(AGE).send().await.problem(404, "not_found");
    let left = std::fs::read_dir(&world.state.settings.tempdir).unwrap();
    let left: Vec<_> = left
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("push-")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_made_changed_and_deleted() {
    let world = World::new().await;
    for name in ["b", "a", "c"] {
        let ask = world.post("/v1/models").json(
            &json!({"owner": "lab", "name": name, "visibility": "private", "hardware": "cpu"}),
        );
        ask.send().await.is(201);
    }
    world
        .post("/v1/models")
        .json(&json!({"name": "a"}))
        .send()
        .await
        .problem(409, "conflict");
    let first = world.get("/v1/models?limit=2").send().await.is(200).json();
    let names = |page: &Value| {
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|model| model["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&first), ["a", "b"]);
    let second = world
        .get(first["next"].as_str().unwrap())
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(
        (names(&second), &second["next"]),
        (vec!["c".to_owned()], &Value::Null)
    );
    let changed = world
        .ask(Method::PATCH, "/v1/models/lab/a")
        .bearer(&world.owner)
        .json(&json!({"title": "A fish"}));
    assert_eq!(changed.send().await.is(200).json()["title"], "A fish");
    world
        .ask(Method::DELETE, "/v1/models/lab/a")
        .bearer(&world.owner)
        .send()
        .await
        .is(204);
    world
        .get("/v1/models/lab/a")
        .send()
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_there_for_who_watches() {
    let world = World::new().await;
    world.live("lab/age", THING).await;
    world
        .post(&format!("{AGE}/predictions"))
        .json(&json!({"input": {}}))
        .send()
        .await
        .is(201);
    let text = world.get("/metrics").send().await.is(200).text();
    assert!(
        text.contains(
            "onstage_answers_total{model=\"lab/age\",version=\"v1\",live=\"true\",reason=\"ok\"} 1"
        ),
        "{text}"
    );
    world.ask(Method::GET, "/readyz").send().await.is(200);
    let own = world.get("/m/age/openapi.json").send().await.is(200).json();
    assert_eq!(
        own["components"]["schemas"]["Output"]["type"], "integer",
        "{own}"
    );
}
