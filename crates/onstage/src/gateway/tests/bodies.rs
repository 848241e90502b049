//! Bodies that are wrong: malformed, deep, of another type, cut off, too large.

use super::world::World;
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::Request;

const PATH: &str = "/v1/models";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bodies_are_told_apart() {
    let world = World::new().await;
    let json = |body: &'static str| {
        let ask = world.post(PATH).header("content-type", "application/json");
        ask.body(body).send()
    };
    let malformed = json("{\"name\": \n  oops}")
        .await
        .problem(400, "malformed_json");
    assert!(
        malformed["detail"].as_str().unwrap().contains("line 2"),
        "{malformed}"
    );
    json("").await.problem(400, "malformed_json");
    json("{\"name\":\"a\"").await.problem(400, "malformed_json");
    json("{\"name\":\"\\ud800\"}")
        .await
        .problem(400, "malformed_json");
    let wrong = json("{\"name\": 3}").await.problem(422, "invalid_body");
    assert!(
        wrong["detail"].as_str().unwrap().contains("string"),
        "{wrong}"
    );
    json("[]").await.problem(422, "invalid_body");
    json("{}").await.problem(422, "invalid_body");
    json("{\"name\": \"Not A Name\"}")
        .await
        .problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_json_is_refused_before_it_is_parsed() {
    let world = World::new().await;
    for body in [
        "[".repeat(10_000),
        format!("{}1{}", "[".repeat(65), "]".repeat(65)),
        "{\"a\":".repeat(5_000),
    ] {
        let ask = world
            .post(PATH)
            .header("content-type", "application/json")
            .body(body);
        ask.send().await.problem(400, "json_too_deep");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_types_and_encodings_are_refused() {
    let world = World::new().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let ask = world.post(PATH).header("content-type", kind).body("{}");
        ask.send().await.problem(415, "unsupported_media_type");
    }
    world
        .post(PATH)
        .body("{}")
        .send()
        .await
        .problem(415, "unsupported_media_type");
    let packed = world.post(PATH).header("content-type", "application/json");
    let packed = packed.header("content-encoding", "gzip").body("{}");
    packed.send().await.problem(415, "unsupported_media_type");
    let charset = world
        .post(PATH)
        .header("content-type", "application/json; charset=utf-8");
    charset.body("{\"name\":\"age\"}").send().await.is(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_bounded_and_cuts_are_noticed() {
    let world = World::new().await;
    let announced = world.post(PATH).header("content-type", "application/json");
    let announced = announced.header("content-length", "99999999999").body("{}");
    announced.send().await.problem(413, "body_too_large");
    let front = &world.front;
    let send = async |pieces: Vec<Result<Bytes, std::io::Error>>| {
        let request = Request::post(PATH)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", world.owner))
            .body(Body::from_stream(stream::iter(pieces)))
            .unwrap();
        front.answer(request, [127, 0, 0, 1].into()).await.status()
    };
    let piece = || Ok(Bytes::from(vec![b' '; 1 << 20]));
    let endless: Vec<_> = std::iter::repeat_with(piece).take(40).collect();
    assert_eq!(send(endless).await, 413);
    let cut = vec![
        Ok(Bytes::from_static(b"{\"name\"")),
        Err(std::io::Error::other("gone")),
    ];
    assert_eq!(send(cut).await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_no_object_and_a_login_is_short() {
    let world = World::new().await;
    let tokens = world.post("/v1/tokens");
    let list = tokens.json(&serde_json::json!(["mine", null, null]));
    list.send().await.problem(422, "invalid_body");
    let login = world
        .ask(http::Method::POST, "/v1/login")
        .json(&serde_json::json!({"password": "x".repeat(5_000)}));
    login.send().await.problem(413, "body_too_large");
    for seconds in [0, u64::MAX] {
        let ask = world.post("/v1/tokens");
        let ask = ask.json(&serde_json::json!({"name": "a", "expires_in_s": seconds}));
        ask.send().await.problem(422, "invalid_input");
    }
}
