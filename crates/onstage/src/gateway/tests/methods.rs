//! Methods and paths that are not in the table.

use super::{access::sample, world::World};
use crate::gateway::table::{Access, routes};
use http::Method;
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_outside_of_the_table_are_refused() {
    let world = World::new().await;
    let mut paths: BTreeMap<&str, Vec<(Method, Access)>> = BTreeMap::new();
    for route in routes() {
        paths
            .entry(route.path)
            .or_default()
            .push((route.method, route.access));
    }
    let query = Method::from_bytes(b"QUERY").unwrap();
    for (path, known) in paths {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
            query.clone(),
        ] {
            // Another route's pattern may cover this path with that method.
            let covered = routes().iter().any(|route| {
                route.method == method && route.path != path && covers(route.path, &sample(path))
            });
            if covered || known.iter().any(|(known, _)| *known == method) {
                continue;
            }
            let reply = world
                .ask(method.clone(), &sample(path))
                .bearer(&world.owner)
                .send()
                .await;
            if path.starts_with("/v2") {
                reply.inference_error(405, "is not possible at this path");
            } else {
                reply.problem(405, "method_not_allowed");
            }
        }
        let get = known.iter().find(|(method, _)| *method == Method::GET);
        if let Some((_, access)) = get {
            let head = world.ask(Method::HEAD, &sample(path)).send().await;
            assert!(head.body.is_empty(), "HEAD {path}");
            assert_eq!(head.status == 401, *access != Access::Public, "HEAD {path}");
        }
    }
}

fn covers(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(&path)
            .all(|(part, word)| part.starts_with('{') || part == word)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_paths_are_problems() {
    let world = World::new().await;
    for path in [
        "/v1",
        "/v1/models/",
        "/v1/models/a/b/c/d",
        "/%00",
        "/..%2f..%2fetc/passwd",
    ] {
        world.get(path).send().await.problem(404, "not_found");
    }
    world
        .get("/v2/x")
        .send()
        .await
        .inference_error(404, "There is nothing at this path");
    let browser = "text/html,application/xhtml+xml";
    let nowhere = |path| world.get(path).header("accept", browser).send();
    let page = nowhere("/no/such/page").await.is(404);
    assert!(page.header("content-type").starts_with("text/html"));
    nowhere("/v1/no/such").await.problem(404, "not_found");
    world
        .get("/v1/models/%ff/x")
        .send()
        .await
        .problem(400, "invalid_path");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_name_and_protects_browsers() {
    let world = World::new().await;
    let reply = world
        .get("/v1/models")
        .header("x-request-id", "mine-1")
        .send()
        .await
        .is(200);
    assert_eq!(reply.header("x-request-id"), "mine-1");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert_eq!(reply.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(
        reply
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    let odd = world
        .get("/v1/models")
        .header("x-request-id", "a b\"c")
        .send()
        .await;
    assert_ne!(odd.header("x-request-id"), "a b\"c");
    assert!(!odd.header("x-request-id").is_empty());
}
