//! The archive in which a table's cells are paths: who may name which, what is refused, and that nothing is left of it then.

use super::{predictions::THING, world::World};
use http::Method;
use serde_json::json;

const PATH: &str = "/v1/models/lab/thing/batches";
const TABLE: &str = "n,do\n1,double\n";

async fn left(world: &World) -> Vec<String> {
    world.parts.blobs.list("batches/").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_comes_as_a_part_or_is_named_and_nothing_else_is_one() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let form = |files: &'static str| {
        let form = [
            ("table", Some("t.csv"), TABLE),
            ("files", Some(files), "PK"),
        ];
        world.post(PATH).form(&form)
    };
    let refused = form("photos.csv").send().await;
    let problem = refused.problem(422, "invalid_input");
    assert_eq!(problem["errors"][0]["pointer"], "/files", "{problem}");
    assert_eq!(left(&world).await, Vec::<String>::new());
    let made = form("photos.zip").send().await.is(202).json();
    let id = made["id"].as_str().unwrap();
    let both = [format!("batches/{id}/files"), format!("batches/{id}/table")];
    assert_eq!(left(&world).await, both);

    for (files, status, code) in [
        ("/etc/passwd", 422, "invalid_input"),
        ("https://elsewhere.example/x.zip", 422, "invalid_input"),
        ("onstage://files/nothing-here", 404, "not_found"),
        ("onstage://datasets/photos", 404, "not_found"),
        ("data:text/plain,x", 422, "invalid_input"),
    ] {
        let ask = world
            .post(PATH)
            .json(&json!({"table": "data:text/csv,n%2Cdo%0A", "files": files}));
        ask.send().await.problem(status, code);
    }
    assert_eq!(left(&world).await, both, "what was refused is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datasets_are_for_the_owner_alone() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let put = world
        .ask(Method::PUT, "/v1/datasets/photos?format=tar")
        .bearer(&world.owner)
        .body(vec![0; 1024]);
    put.send().await.is(201);
    let ask = || {
        let wish = json!({"table": "data:text/csv,n%2Cdo%0A1%2Cdouble", "files": "onstage://datasets/photos"});
        world.ask(Method::POST, PATH).json(&wish)
    };
    let foreign = ask().bearer(&world.stakeholder).send().await;
    foreign.problem(403, "owner_only");
    ask().bearer(&world.owner).send().await.is(202);
    // It stays as long as the job does.
    let used = world
        .ask(Method::DELETE, "/v1/datasets/photos/versions/1")
        .bearer(&world.owner)
        .send()
        .await;
    used.problem(409, "conflict");
}
