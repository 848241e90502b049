//! Other sites' pages, other names for this address, and proxies.

use super::{ask::HOST, world::World};
use http::Method;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_host_names_are_refused() {
    let world = World::with(|settings| settings.hosts = vec!["stage.example".to_owned()]).await;
    for host in [
        "evil.example",
        "evil.example:8484",
        "localhost.evil.example",
        "x",
    ] {
        let ask = world.get("/v1/models").header("host", host);
        ask.send().await.problem(403, "host_not_allowed");
        world
            .ask(Method::GET, "/")
            .header("host", host)
            .send()
            .await
            .problem(403, "host_not_allowed");
    }
    for host in [
        "stage.example",
        "localhost:1",
        "127.0.0.1:8484",
        "[::1]:8484",
    ] {
        world
            .get("/v1/models")
            .header("host", host)
            .send()
            .await
            .is(200);
    }
    world
        .ask(Method::GET, "/healthz")
        .header("host", "probe.internal")
        .send()
        .await
        .is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_pages_change_nothing() {
    let world = World::new().await;
    let own = format!("http://{HOST}");
    let foreign: [&[(&str, &str)]; 7] = [
        &[],
        &[("origin", "null")],
        &[("origin", "http://evil.example")],
        &[("origin", "http://127.0.0.1:84840")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", &own)],
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://evil.example"),
        ],
    ];
    for headers in foreign {
        let mut ask = world.ask(Method::POST, "/v1/logout").cookie(&world.session);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.send().await.problem(403, "foreign_origin");
    }
    // A foreign page may not read either, nor log a browser in.
    let read = world.ask(Method::GET, "/v1/models").cookie(&world.session);
    let read = read
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "cors");
    read.send().await.problem(403, "foreign_origin");
    let login = world
        .ask(Method::POST, "/v1/login")
        .header("origin", "http://evil.example");
    let login = login.json(&serde_json::json!({"password": super::world::PASSWORD}));
    login.send().await.problem(403, "foreign_origin");
    // Our own page may, and programs with a token are not asked.
    let ours = world.ask(Method::POST, "/v1/logout").cookie(&world.session);
    ours.header("origin", &own).send().await.is(204);
    let program = world
        .post("/v1/logout")
        .header("origin", "http://evil.example");
    program.send().await.is(204);
    // The session is over.
    world
        .ask(Method::GET, "/v1/account")
        .cookie(&world.session)
        .send()
        .await
        .is(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_are_believed_only_when_configured() {
    let world = World::with(|settings| settings.proxies = vec!["10.0.0.9".parse().unwrap()]).await;
    let made = world
        .post("/v1/models")
        .json(&serde_json::json!({"name": "age"}))
        .send()
        .await
        .is(201);
    assert_eq!(made.header("location"), "/v1/models/lab/age");
    let ask = |peer: &str| {
        world
            .get("/v1/models/lab/age")
            .header("x-forwarded-prefix", "/lab/stage")
            .by_peer(peer)
    };
    assert_eq!(
        ask("10.0.0.9").send().await.json()["url"],
        "/lab/stage/m/lab/age"
    );
    assert_eq!(ask("10.0.0.8").send().await.json()["url"], "/m/lab/age");
    let list = |peer: &str| {
        world
            .get("/v1/tokens?limit=1")
            .header("x-forwarded-prefix", "/lab/stage")
            .by_peer(peer)
    };
    for name in ["a", "b"] {
        let token = world.post("/v1/tokens");
        token
            .json(&serde_json::json!({ "name": name }))
            .send()
            .await
            .is(201);
    }
    // A client joins a mere path to its base, which has the prefix already.
    let next = list("10.0.0.9").send().await.json()["next"].clone();
    let next = next.as_str().unwrap().to_owned();
    assert!(
        next.starts_with("http://") && next.contains("/lab/stage/v1/tokens?"),
        "{next}"
    );
    let next = list("10.0.0.8").send().await.json()["next"].clone();
    assert!(next.as_str().unwrap().starts_with("/v1/tokens?"), "{next}");
    let page = world
        .ask(Method::GET, "/")
        .header("x-forwarded-host", "evil.example");
    page.by_peer("10.0.0.9")
        .send()
        .await
        .problem(403, "host_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_served_and_holds_no_data() {
    let world = World::new().await;
    for path in [
        "/",
        "/login",
        "/m/lab/age",
        "/m/lab/age/runs",
        "/runs/x",
        "/batches/x",
    ] {
        let reply = world.ask(Method::GET, path).send().await.is(200);
        assert!(
            reply.header("content-type").starts_with("text/html"),
            "{path}"
        );
        assert!(reply.text().contains("<title>Onstage</title>"), "{path}");
    }
    for path in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/index.html",
        "/assets/x",
    ] {
        assert_eq!(
            world.ask(Method::GET, path).send().await.status,
            404,
            "{path}"
        );
    }
}
