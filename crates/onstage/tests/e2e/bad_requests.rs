//! Requests that are wrong: each gets a status, a code and a sentence that names what was wrong; nothing reaches Python.

use crate::world::{World, answer};
use reqwest::Method;
use serde_json::{Value, json};

const AGE: &str = r#"
import onstage as on

@on.predict
def age(zone: str = on.Input("Zone", choices=["N", "S"]), draws: int = on.Input("Samples", ge=1, le=50, default=10), name: str = "x") -> str:
    return f"{zone}{draws}"
"#;

#[tokio::test]
async fn inputs_that_do_not_fit_are_named_by_pointer() {
    let world = World::start().await;
    world.push("age", AGE, &[]).await;
    for (input, pointer) in [
        (json!({"zone": "E"}), "/input/zone"),
        (json!({"zone": "N", "draws": 51}), "/input/draws"),
        (json!({"zone": "N", "draws": "many"}), "/input/draws"),
        (json!({"zone": "N", "depth": 3}), "/input/depth"),
        (json!({}), "/input/zone"),
        (json!([1]), "/input"),
    ] {
        let (status, problem) = world
            .post("/v1/models/lab/age/predictions", &json!({ "input": input }))
            .await;
        assert_eq!(status, 422, "{input}: {problem:#}");
        let pointers: Vec<&str> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|error| error["pointer"].as_str())
            .collect();
        assert!(pointers.contains(&pointer), "{input}: {problem:#}");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains(pointer.rsplit('/').next().unwrap()),
            "{problem:#}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn a_caller_cannot_name_files_and_blobs_in_our_own_words() {
    let world = World::start().await;
    let code = "import onstage as on\n\n@on.predict\ndef same(x: dict) -> dict:\n    return x\n";
    world.push("same", code, &[]).await;
    let (status, fine) = world
        .predict("same", json!({"x": {"path": "/etc/passwd"}}))
        .await;
    assert_eq!(
        (status, fine["status"].as_str()),
        (201, Some("succeeded")),
        "{fine:#}"
    );
    for key in ["$path", "$blob", "$attachment"] {
        let input = json!({"x": {"deep": [{ key: "/etc/passwd" }]}});
        let (status, problem) = world.predict("same", input).await;
        assert_eq!(status, 422, "{key}: {problem:#}");
    }
    let escaped = r#"{"input":{"x":{"\u0024path":"/etc/passwd"}}}"#;
    let request = world.request(Method::POST, "/v1/models/lab/same/predictions");
    let (status, problem) = answer(
        request
            .header("content-type", "application/json")
            .body(escaped),
    )
    .await;
    assert_eq!(status, 422, "{problem:#}");
    let (_, batch) = world
        .batch(
            "same",
            "t.jsonl",
            "{\"x\": {\"$path\": \"/etc/passwd\"}}\n",
            json!({}),
        )
        .await;
    let batch = world
        .finished(&format!("/v1/batches/{}", batch["id"].as_str().unwrap()))
        .await;
    assert_eq!(batch["counts"]["failed"], 1, "{batch:#}");
    world.close().await;
}

#[tokio::test]
async fn bodies_that_are_not_json_objects_are_refused() {
    let world = World::start().await;
    world.push("age", AGE, &[]).await;
    let deep = format!("{{\"input\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for (body, kind, expected) in [
        ("{\"input\": {".to_owned(), "application/json", 400),
        ("nonsense".to_owned(), "application/json", 400),
        (String::new(), "application/json", 400),
        (deep, "application/json", 400),
        ("zone=N".to_owned(), "text/plain", 415),
    ] {
        let head: String = body.chars().take(40).collect();
        let request = world
            .request(Method::POST, "/v1/models/lab/age/predictions")
            .header("content-type", kind)
            .body(body);
        let (status, problem) = answer(request).await;
        assert_eq!(status, expected, "{head}: {problem:#}");
        assert!(
            problem["detail"].is_string() && problem["request_id"].is_string(),
            "{problem:#}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_sent() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let world = World::start().await;
    world.push("age", AGE, &[]).await;
    let address = world.url.strip_prefix("http://").unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket
        .set_read_timeout(Some(crate::world::PATIENCE))
        .unwrap();
    let head = format!(
        "POST /v1/models/lab/age/predictions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        world.token,
        40 << 20
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut status = String::new();
    BufReader::new(socket).read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 413"), "{status}");
    world.close().await;
}

#[tokio::test]
async fn what_does_not_exist_is_404_with_its_name() {
    let world = World::start().await;
    world.push("age", AGE, &[]).await;
    for (method, path) in [
        (Method::GET, "/v1/models/lab/agee"),
        (Method::POST, "/v1/models/lab/agee/predictions"),
        (Method::GET, "/v1/models/lab/age/versions/v9"),
        (Method::GET, "/v1/predictions/doesnotexist00"),
        (Method::GET, "/v1/batches/doesnotexist00"),
        (Method::GET, "/v1/files/doesnotexist00"),
        (Method::GET, "/v1/nothing"),
    ] {
        let (status, problem) =
            answer(world.request(method, path).json(&json!({"input": {}}))).await;
        assert_eq!(status, 404, "{path}: {problem:#}");
        assert_eq!(problem["status"], 404, "{problem:#}");
    }
    let (status, problem) = answer(world.request(Method::PUT, "/v1/models")).await;
    assert_eq!(status, 405, "{problem:#}");
    world.close().await;
}

#[tokio::test]
async fn the_same_key_is_the_same_prediction_and_another_body_a_conflict() {
    let world = World::start().await;
    world.push("age", AGE, &[]).await;
    let put = |body: Value| {
        answer(
            world
                .request(Method::PUT, "/v1/predictions/my-own-id-1")
                .json(&body),
        )
    };
    let body = json!({"model": "lab/age", "input": {"zone": "N"}});
    let (first, one) = put(body.clone()).await;
    let (second, two) = put(body).await;
    assert!(first < 300 && second < 300, "{one:#} {two:#}");
    assert_eq!((&one["id"], &one["output"]), (&two["id"], &two["output"]));
    let (status, problem) = put(json!({"model": "lab/age", "input": {"zone": "S"}})).await;
    assert_eq!(status, 409, "{problem:#}");
    world.close().await;
}

#[tokio::test]
async fn an_upload_cut_half_way_leaves_nothing() {
    use std::io::Write as _;
    let world = World::start().await;
    let address = world.url.strip_prefix("http://").unwrap();
    {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /v1/files HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n--b\r\ncontent-disposition: form-data; name=\"content\"; filename=\"a.bin\"\r\n\r\nhalf",
            world.token
        );
        socket.write_all(head.as_bytes()).unwrap();
    }
    let (status, files) = world.get("/v1/files").await;
    assert_eq!(
        (status, files["results"].as_array().map(Vec::len)),
        (200, Some(0)),
        "{files:#}"
    );
    assert!(!world.upload("whole.txt", "whole").await.is_empty());
    world.close().await;
}
