//! Files: up, down, in parts, as inputs and out of outputs.

use super::world::World;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::json;

const FLIP: &str = "
import pathlib
import onstage as on

@on.predict
def flip(file: on.File, times: int = 1) -> on.File:
    data = pathlib.Path(file).read_bytes()[::-1] * times
    out = pathlib.Path('flipped.bin')
    out.write_bytes(data)
    return on.File(out)
";
const PATH: &str = "/v1/models/lab/flip/predictions";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_up_and_comes_down() {
    let world = World::new().await;
    let ask = world.post("/v1/files").form(&[
        (
            "content",
            Some("../a b\u{e9}.html"),
            "<script>0123456789</script>",
        ),
        ("metadata", None, "{\"plot\": 3}"),
    ]);
    let made = ask.send().await.is(201).json();
    assert_eq!(made["name"], "a b\u{e9}.html");
    assert_eq!(
        (&made["size"], &made["metadata"]),
        (&json!(27), &json!({"plot": 3}))
    );
    let sum = "b1dd2ae2af5b0d1fa0dd2bd0a1f9bd0ff7a0b8ca";
    assert_ne!(made["checksums"]["sha256"], sum);
    assert_eq!(made["checksums"]["sha256"].as_str().unwrap().len(), 64);
    let path = made["urls"]["content"].as_str().unwrap().to_owned();
    let whole = world.get(&path).send().await.is(200);
    assert_eq!(whole.text(), "<script>0123456789</script>");
    assert!(
        whole
            .header("content-disposition")
            .starts_with("attachment")
    );
    assert!(whole.header("content-security-policy").contains("sandbox"));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    let part = world
        .get(&path)
        .header("range", "bytes=8-10")
        .send()
        .await
        .is(206);
    assert_eq!(
        (part.text().as_str(), part.header("content-range")),
        ("012", "bytes 8-10/27")
    );
    let outside = world.get(&path).header("range", "bytes=27-").send().await;
    outside.problem(416, "range_not_satisfiable");
    assert_eq!(outside.header("content-range"), "bytes */27");
    let many = world
        .get(&path)
        .header("range", "bytes=0-1,3-4,6-7")
        .send()
        .await
        .is(200);
    assert_eq!(many.body.len(), 27);
    let known = world
        .get(&path)
        .header("if-none-match", whole.header("etag"));
    known.send().await.is(304);
    // Somebody else's file can be read by who has its id, but not removed.
    let one = made["urls"]["get"].as_str().unwrap();
    world
        .ask(Method::DELETE, one)
        .bearer(&world.stakeholder)
        .send()
        .await
        .problem(403, "not_yours");
    world
        .ask(Method::DELETE, one)
        .bearer(&world.owner)
        .send()
        .await
        .is(204);
    world.get(&path).send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_are_cut_or_wrong_leave_nothing() {
    let world = World::with(|settings| settings.upload_bytes_max = 1000).await;
    let head =
        "--edge\r\ncontent-disposition: form-data; name=\"content\"; filename=\"a\"\r\n\r\nhalf";
    let cut = world
        .post("/v1/files")
        .header("content-type", "multipart/form-data; boundary=edge");
    assert_eq!(cut.body(head).send().await.status, 400);
    let large = "x".repeat(2000);
    let ask = world
        .post("/v1/files")
        .form(&[("content", Some("a"), &large)]);
    ask.send().await.problem(413, "body_too_large");
    world
        .post("/v1/files")
        .form(&[("other", None, "x")])
        .send()
        .await
        .problem(422, "invalid_input");
    let meta = world
        .post("/v1/files")
        .form(&[("content", Some("a"), "x"), ("metadata", None, "[]")]);
    meta.send().await.problem(422, "invalid_input");
    let none = world
        .post("/v1/files")
        .header("content-type", "multipart/form-data")
        .body("");
    none.send().await.problem(400, "malformed_form");
    assert_eq!(
        world.get("/v1/files").send().await.json()["results"],
        json!([])
    );
    assert_eq!(
        world.parts.blobs.list("files/").await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_reaches_the_model_by_every_way() {
    let world = World::new().await;
    world.live("lab/flip", FLIP).await;
    let up = world
        .post("/v1/files")
        .form(&[("content", Some("a.txt"), "abc")]);
    let up = up.send().await.is(201).json();
    let id = up["id"].as_str().unwrap();
    let flipped = format!("base64,{}", STANDARD.encode("cba"));
    for file in [
        "data:text/plain;base64,YWJj".to_owned(),
        format!("onstage://files/{id}"),
        format!("/v1/files/{id}"),
        format!("http://{}/v1/files/{id}/content", super::ask::HOST),
    ] {
        let ask = world.post(PATH).json(&json!({"input": {"file": file}}));
        let made = ask.send().await.is(201).json();
        let output = made["output"].as_str().unwrap_or_else(|| panic!("{made}"));
        assert!(
            output.starts_with("data:") && output.ends_with(&flipped),
            "{output}"
        );
        assert_eq!(made["input"]["file"], file.as_str());
    }
    let form = world
        .post(PATH)
        .form(&[("file", Some("a.txt"), "abc"), ("times", None, "2")]);
    let made = form.send().await.is(201).json();
    assert!(
        made["output"]
            .as_str()
            .unwrap()
            .ends_with(&STANDARD.encode("cbacba")),
        "{made}"
    );
    // What the form brought can be had again.
    let again = world
        .get(made["input"]["file"].as_str().unwrap())
        .send()
        .await;
    assert_eq!(again.text(), "abc", "{made}");
    for wrong in [
        "http://evil.example/a",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "/etc/passwd",
        "onstage://files/nothing-here",
        "",
    ] {
        let ask = world.post(PATH).json(&json!({"input": {"file": wrong}}));
        let problem = ask.send().await.problem(422, "invalid_input");
        assert_eq!(problem["errors"][0]["pointer"], "/input/file", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_outputs_are_links_from_the_first_moment_on() {
    let world = World::new().await;
    world.live("lab/flip", FLIP).await;
    let ask = world
        .post(PATH)
        .json(&json!({"input": {"file": "data:,abcdefgh", "times": 100_000}}));
    let made = ask.send().await.is(201).json();
    let link = made["output"].as_str().unwrap();
    assert!(link.starts_with("/v1/files/"), "{link}");
    let now = world.get(link).send().await.is(200);
    assert_eq!(now.body.len(), 800_000);
    let id: onstage_core::Id = made["id"].as_str().unwrap().parse().unwrap();
    world
        .until("it is recorded", async || {
            world.engine.find(&id).is_none().then_some(())
        })
        .await;
    let path = format!("/v1/predictions/{id}");
    let later = world.get(&path).send().await.is(200).json();
    let link = later["output"].as_str().unwrap();
    assert_eq!(world.get(link).send().await.is(200).body, now.body);
    // It is an input for the next.
    let ask = world.post(PATH).json(&json!({"input": {"file": link}}));
    assert_eq!(ask.send().await.is(201).json()["status"], "succeeded");
    world
        .ask(Method::DELETE, &path)
        .bearer(&world.owner)
        .send()
        .await
        .is(204);
    world.get(link).send().await.problem(404, "not_found");
    assert_eq!(
        world
            .parts
            .blobs
            .list(&format!("predictions/{id}/"))
            .await
            .unwrap(),
        Vec::<String>::new()
    );
}
