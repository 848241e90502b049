//! Datasets: up as one body, numbered, looked into, down in parts, removed unless they are needed.

use super::{ask::Ask, world::World};
use http::Method;
use serde_json::{Value, json};

const FISH: &str = "id,length,caught,note\n1,10.5,2026-01-31,\n2,11,2026-02-01,\"two\nlines\"\n";

impl World {
    fn put(&self, path: &str) -> Ask<'_> {
        self.ask(Method::PUT, path).bearer(&self.owner)
    }

    fn remove(&self, path: &str) -> Ask<'_> {
        self.ask(Method::DELETE, path).bearer(&self.owner)
    }

    async fn kept(&self) -> usize {
        self.parts.blobs.list("datasets/").await.unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_grows_by_versions_and_goes() {
    let world = World::new().await;
    let up = async |bytes: &str| {
        world
            .put("/v1/datasets/fish")
            .body(bytes.to_owned())
            .send()
            .await
    };
    let one = up(FISH).await.is(201);
    assert_eq!(one.header("location"), "/v1/datasets/fish/versions/1");
    let one = one.json();
    assert_eq!(
        (
            &one["reference"],
            &one["format"],
            &one["name"],
            &one["content_type"]
        ),
        (
            &json!("fish@v1"),
            &json!("csv"),
            &json!("fish.csv"),
            &json!("text/csv")
        )
    );
    assert_eq!(one["checksums"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(
        (&one["size"], &one["source"]),
        (&json!(FISH.len()), &json!("upload"))
    );
    let again = up(FISH).await.is(200).json();
    assert_eq!(again, one);
    assert_eq!(world.kept().await, 1, "equal bytes are kept once");
    let two = up("{\"a\": 1}\n").await.is(201).json();
    assert_eq!(
        (&two["version"], &two["format"]),
        (&json!(2), &json!("jsonl"))
    );
    let three = up(FISH).await.is(201).json();
    assert_eq!(three["version"], 3);
    assert_eq!(world.kept().await, 2);

    let list = world.get("/v1/datasets").send().await.is(200).json();
    assert_eq!(list["results"][0]["versions"], 3);
    assert_eq!(list["results"][0]["newest"], three);
    let shown = world.get("/v1/datasets/fish").send().await.is(200).json();
    assert_eq!(shown, list["results"][0]);
    let path = "/v1/datasets/fish/versions?limit=2";
    let page = world.get(path).send().await.is(200).json();
    assert_eq!(page["results"], json!([three, two]));
    let rest = world.get(page["next"].as_str().unwrap()).send().await;
    assert_eq!(rest.is(200).json()["results"], json!([one]));
    for (version, expected) in [("newest", &three), ("v2", &two), ("1", &one)] {
        let path = format!("/v1/datasets/fish/versions/{version}");
        assert_eq!(world.get(&path).send().await.is(200).json(), *expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_is_read_in_parts_and_removed_for_good() {
    let world = World::new().await;
    let mut made = Vec::new();
    for bytes in [FISH, "{\"a\": 1}\n", FISH] {
        let ask = world.put("/v1/datasets/fish").body(bytes);
        made.push(ask.send().await.is(201).json());
    }
    let content = made[0]["urls"]["content"].as_str().unwrap();
    let whole = world.get(content).send().await.is(200);
    assert_eq!(whole.text(), FISH);
    assert!(whole.header("content-disposition").contains("fish.csv"));
    let part = world.get(content).header("range", "bytes=3-8").send().await;
    assert_eq!(part.is(206).text(), "length");

    world
        .remove("/v1/datasets/fish/versions/v1")
        .send()
        .await
        .is(204);
    assert_eq!(world.kept().await, 2, "v3 has the same bytes");
    world.remove("/v1/datasets/fish").send().await.is(204);
    assert_eq!(world.kept().await, 0);
    for path in ["", "/versions", "/versions/v3", "/versions/newest/preview"] {
        let path = format!("/v1/datasets/fish{path}");
        world.get(&path).send().await.problem(404, "not_found");
    }
    world
        .remove("/v1/datasets/fish")
        .send()
        .await
        .problem(404, "not_found");
    let again = world.put("/v1/datasets/fish").body(FISH).send().await;
    assert_eq!(again.is(201).json()["version"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_format_is_what_was_said_or_named_or_seen() {
    let world = World::new().await;
    let named = |name: &'static str| {
        (
            "content-disposition",
            format!("attachment; filename=\"{name}\""),
        )
    };
    let typed = |kind: &'static str| ("content-type", kind.to_owned());
    for (query, (header, value), body, format, name) in [
        (
            "?format=other",
            named("../a.csv"),
            "a,b\n",
            "other",
            "a.csv",
        ),
        (
            "?filename=x%2Fz%C3%A9.tar.gz",
            typed("text/csv"),
            "\u{1f}\u{8b}",
            "tar",
            "z\u{e9}.tar.gz",
        ),
        (
            "",
            typed("application/x-ndjson"),
            "a,b\n",
            "jsonl",
            "d.jsonl",
        ),
        (
            "",
            typed("application/x-www-form-urlencoded"),
            "PK\u{3}\u{4}",
            "zip",
            "d.zip",
        ),
        ("", named("a.dat"), "PAR1", "parquet", "a.dat"),
        ("", typed("image/png"), "\u{0}png", "other", "d"),
    ] {
        let ask = world
            .put(&format!("/v1/datasets/d{query}"))
            .header(header, &value);
        let made = ask.body(body).send().await.is(201).json();
        assert_eq!(
            (&made["format"], &made["name"]),
            (&json!(format), &json!(name)),
            "{made}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_dataset_is_refused_and_leaves_nothing() {
    let world = World::with(|settings| settings.dataset_bytes_max = 1_000).await;
    let put = |path: &str, body: &str| world.put(path).body(body.to_owned());
    put("/v1/datasets/d", "")
        .send()
        .await
        .problem(422, "empty_body");
    let large = "x".repeat(1_001);
    put("/v1/datasets/d", &large)
        .send()
        .await
        .problem(413, "body_too_large");
    for name in ["D", "a_b", "-a", "a%2Fb", ".."] {
        let status = put(&format!("/v1/datasets/{name}"), "x")
            .send()
            .await
            .status;
        assert!(status.is_client_error(), "{name}: {status}");
    }
    let odd = put("/v1/datasets/d?format=xml", "x").send().await;
    assert_eq!(
        odd.problem(422, "invalid_input")["errors"][0]["pointer"],
        "/format"
    );
    let form = world
        .put("/v1/datasets/d")
        .form(&[("content", Some("a"), "x")]);
    form.send().await.problem(415, "unsupported_media_type");
    let packed = put("/v1/datasets/d", "x").header("content-encoding", "gzip");
    packed.send().await.problem(415, "unsupported_media_type");
    world
        .get("/v1/datasets/d")
        .send()
        .await
        .problem(404, "not_found");
    assert_eq!(world.kept().await, 0);
}

async fn preview(world: &World, bytes: impl Into<bytes::Bytes>) -> Value {
    world
        .put("/v1/datasets/look")
        .body(bytes)
        .send()
        .await
        .is(201);
    let path = "/v1/datasets/look/versions/newest/preview?rows=2";
    world.get(path).send().await.is(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_says_what_the_columns_are() {
    let world = World::new().await;
    let shown = preview(&world, FISH).await;
    let columns = json!([
        {"name": "id", "type": "integer", "missing": 0},
        {"name": "length", "type": "number", "missing": 0},
        {"name": "caught", "type": "date", "missing": 0},
        {"name": "note", "type": "text", "missing": 1},
    ]);
    assert_eq!(shown["columns"], columns);
    assert_eq!(shown["rows"][1]["note"], "two\nlines");
    assert_eq!(
        (&shown["whole"], &shown["rows_total"]),
        (&json!(true), &json!(2))
    );

    let lines = "{\"a\": [1], \"b\": null}\nnot json\n{\"b\": {\"c\": 1}}\n";
    let shown = preview(&world, format!("{lines}{}", "{\"a\": []}\n".repeat(500))).await;
    let columns = json!([
        {"name": "a", "type": "list", "missing": 1},
        {"name": "b", "type": "object", "missing": 501},
    ]);
    assert_eq!(shown["columns"], columns);
    assert_eq!(shown["rows"].as_array().unwrap().len(), 2);
    assert!(
        shown["rows"][1]["error"]
            .as_str()
            .unwrap()
            .contains("line 2"),
        "{shown}"
    );
    assert_eq!(shown["rows_seen"], 503);

    let shown = preview(&world, "a,b\n1,\"never closed\n2,3\n").await;
    assert_eq!(shown["whole"], false);
    assert!(
        shown["note"].as_str().unwrap().contains("never closed"),
        "{shown}"
    );
    let frame = include_bytes!("../../../../backends/src/tables/golden/pandas.feather");
    let shown = preview(&world, frame.as_slice()).await;
    let columns = json!([
        {"name": "name", "type": "text", "missing": 1},
        {"name": "size", "type": "number", "missing": 1},
        {"name": "count", "type": "integer", "missing": 0},
        {"name": "kind", "type": "text", "missing": 0},
        {"name": "at", "type": "text", "missing": 0},
        {"name": "good", "type": "boolean", "missing": 0},
    ]);
    assert_eq!(shown["columns"], columns);
    assert_eq!(
        (&shown["whole"], &shown["rows_total"]),
        (&json!(true), &json!(3))
    );

    let shown = preview(&world, "PK\u{3}\u{4}and so on").await;
    assert_eq!(
        (&shown["columns"], &shown["whole"]),
        (&json!([]), &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_of_a_large_table_is_of_its_beginning() {
    let world = World::new().await;
    let row = format!("1,{}\n", "x".repeat(1 << 20));
    let table = format!("n,text\n{}", row.repeat(70));
    let shown = preview(&world, table).await;
    assert_eq!(
        (&shown["whole"], &shown["rows_total"]),
        (&json!(false), &Value::Null)
    );
    let seen = shown["rows_seen"].as_u64().unwrap();
    assert!((1..70).contains(&seen), "{seen}");
    assert!(
        shown["note"].as_str().unwrap().starts_with("This is what"),
        "{shown}"
    );
    let text = shown["rows"][0]["text"].as_str().unwrap();
    assert_eq!(text.chars().count(), 1_001);
}

const DOUBLE: &str = "
import onstage as on

@on.predict
def double(n: int) -> int:
    return n * 2
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_job_over_a_dataset_keeps_its_version() {
    let world = World::new().await;
    world.live("lab/double", DOUBLE).await;
    let put = async |text: &str| {
        let ask = world.put("/v1/datasets/numbers").body(text.to_owned());
        ask.send().await.is(201);
    };
    put("n,x\n1,2\n").await;
    let ask = || {
        world
            .ask(Method::POST, "/v1/models/lab/double/batches")
            .json(&json!({"table": "onstage://datasets/numbers"}))
    };
    let foreign = ask().bearer(&world.stakeholder).send().await;
    foreign.problem(403, "owner_only");
    let job = ask().bearer(&world.owner).send().await.is(202).json();
    assert_eq!(job["table"]["name"], "numbers.csv");
    put("n,x\n2,2\n").await;
    let used = world.remove("/v1/datasets/numbers").send().await;
    let problem = used.problem(409, "conflict");
    let id = job["id"].as_str().unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains(id),
        "{problem}"
    );
    let left = world
        .get("/v1/datasets/numbers")
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(
        (&left["versions"], &left["newest"]["version"]),
        (&json!(1), &json!(1))
    );

    let none = world
        .post("/v1/models/lab/double/batches")
        .json(&json!({"table": "onstage://datasets/numbers@v7"}));
    none.send().await.problem(404, "not_found");
}
