//! Bytes in a bucket: the same journeys, parts that go past the server, and a bucket that is ill.

use crate::world::{PATIENCE, World, answer, text};
use onstage_s3_emulator::S3Emulator;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

const PART: usize = 16 << 20;
const JOBS: usize = 10;
/// More than all buffers on the way, and than what is collected before the bucket is asked.
const LOST_BYTES: usize = 28 << 20;
/// Where the bucket has parts of uploads.
const PARTS: &str = "on/stage/uploads";

/// Keeps a number as weights, with a checkpoint on the way, and answers with a long text.
const MODEL: &str = r#"
import json
import os
import onstage as on

@on.setup
def found(ctx: on.Ctx):
    return json.loads(ctx.weights.read_text()) if ctx.weights else 0

@on.predict
def total(x: int = 0, *, found) -> int:
    return found + x

@total.many(max=64)
def totals(inputs, *, found):
    return [found + one["x"] for one in inputs]

@on.train
def count(data: on.Dataset, *, ctx: on.Ctx) -> on.Weights:
    secrets = [name for name in os.environ if name.startswith("AWS")]
    assert not secrets, secrets
    for n, row in enumerate(data.rows()):
        with open("weights.json", "w") as file:
            json.dump(n + 1, file)
        if n % 40 == 0:
            ctx.checkpoint("weights.json")
    return on.Weights("weights.json", metrics={"rows": n + 1})
"#;

/// A world whose bytes lie in the emulator's bucket.
async fn world_on(emulator: &S3Emulator) -> World {
    let found = emulator.variables();
    let found = found.iter().map(|(name, value)| (*name, value.as_str()));
    let blobs = ("ONSTAGE_BLOBS", S3Emulator::PLACE);
    World::with(&found.chain([blobs]).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_model_is_trained_and_asked_with_its_bytes_in_a_bucket() {
    let emulator = S3Emulator::start();
    let world = world_on(&emulator).await;
    world.push("counter", MODEL, &[]).await;
    let rows: String = (0..100).map(|n| format!("{n}\n")).collect();
    fs::write(
        world.folder.path().join("hundred.csv"),
        format!("n\n{rows}"),
    )
    .unwrap();
    world.ok(&["data", "put", "hundred", "hundred.csv"]).await;
    world
        .ok(&["train", "counter", "data=hundred", "--promote"])
        .await;
    let (_, answer) = world.predict("counter", json!({"x": 7})).await;
    assert_eq!(answer["output"], 107, "{answer:#}");

    let table: String = (0..3_000).map(|n| format!("{n}\n")).collect();
    let (status, job) = world
        .batch("counter", "t.csv", format!("x\n{table}"), json!({}))
        .await;
    assert_eq!(status, 202, "{job:#}");
    assert_right(&world, &job, 3_000, 100).await;
    assert!(
        !world.data().join("blobs").exists(),
        "nothing lies on the disk"
    );
    assert_eq!(emulator.leftovers(), Vec::<String>::new());
    let page = world.client.get(&world.url).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    let end = format!("connect-src 'self' {}", emulator.url());
    assert!(policy.ends_with(&end), "{policy}");
    world.close().await;
}

#[tokio::test]
async fn an_ill_bucket_costs_no_row() {
    let emulator = S3Emulator::start();
    let world = world_on(&emulator).await;
    world.push("counter", MODEL, &[]).await;
    let table: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    fs::write(world.folder.path().join("t.csv"), format!("x\n{table}")).unwrap();
    world.ok(&["data", "put", "table", "t.csv"]).await;
    emulator.fall_ill();
    let body = json!({"table": "onstage://datasets/table"});
    let mut jobs = Vec::new();
    while jobs.len() < JOBS {
        match world.post("/v1/models/lab/counter/batches", &body).await {
            (202, job) => jobs.push(job),
            // Nothing was begun, and the answer says that it may be asked again.
            (status, problem) => assert_eq!((status, &problem["retryable"]), (503, &json!(true))),
        }
    }
    for job in &jobs {
        let id = job["id"].as_str().unwrap();
        world.finished(&format!("/v1/batches/{id}")).await;
    }
    emulator.get_well();
    let faults = emulator.faults();
    assert!(faults.values().sum::<u64>() >= 10, "{faults:?}");
    for job in &jobs {
        assert_right(&world, job, 20_000, 0).await;
    }
    world.close().await;
}

/// Every one of its rows is answered, in order, and with the right number.
async fn assert_right(world: &World, job: &Value, rows: i64, more: i64) {
    let id = job["id"].as_str().unwrap();
    let job = world.finished(&format!("/v1/batches/{id}")).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let (_, items) = world.get(&format!("/v1/batches/{id}/items?limit=2")).await;
    assert_eq!(job["counts"]["failed"], 0, "{job:#}\n{items:#}");
    let result = world.request(Method::GET, &format!("/v1/batches/{id}/result"));
    let result = result.send().await.unwrap().text().await.unwrap();
    let answered = result.lines().skip(1).map(|line| {
        let mut fields = line.split(',').map(str::parse);
        (fields.next().unwrap(), fields.next().unwrap())
    });
    let right = (0..rows).map(|n| (Ok(n), Ok(n + more)));
    assert!(answered.eq(right), "{result}");
}

#[tokio::test]
async fn parts_go_past_the_server() {
    let emulator = S3Emulator::start();
    let world = world_on(&emulator).await;
    let file: Vec<u8> = (0..PART + 1_000).map(|at| ((at * 31) >> 7) as u8).collect();
    let wish = json!({"name": "x.bin", "size": file.len()});
    let (_, upload) = world.post("/v1/uploads", &wish).await;
    assert_eq!(upload["direct"], true, "{upload:#}");
    let parts = upload["urls"]["parts"].as_str().unwrap();

    let first = format!("{parts}/1?sha256={}", sha256(&file[..PART]));
    let (status, missing) = answer(world.request(Method::POST, &first)).await;
    assert_eq!((status, &missing["code"]), (409, &json!("part_missing")));
    for (number, bytes) in [(2, &file[PART..]), (1, &file[..PART])] {
        let query = format!("sha256={}", sha256(bytes));
        let link = format!("{parts}/{number}/link?{query}");
        let (status, link) = answer(world.request(Method::POST, &link)).await;
        assert_eq!(status, 200, "{link:#}");
        assert_eq!(put(&world, &link, bytes).await, 200);
        let note = format!("{parts}/{number}?{query}");
        // Said twice, it is there once.
        for _ in 0..2 {
            let (status, noted) = answer(world.request(Method::POST, &note)).await;
            assert_eq!((status, &noted["size"]), (200, &json!(bytes.len())));
        }
    }
    let (status, vague) = answer(world.request(Method::POST, &format!("{parts}/1/link"))).await;
    assert_eq!(
        (status, &vague["code"]),
        (422, &json!("invalid_input")),
        "{vague:#}"
    );

    assert_eq!(emulator.objects(PARTS), 2);
    let complete = upload["urls"]["complete"].as_str().unwrap();
    let (status, made) = answer(world.request(Method::POST, complete)).await;
    assert_eq!(status, 201, "{made:#}");
    let content = format!("/v1/files/{}/content", made["id"].as_str().unwrap());
    let back = world.request(Method::GET, &content).send().await.unwrap();
    assert!(back.bytes().await.unwrap() == file);
    assert_eq!(emulator.objects(PARTS), 0);
    world.close().await;
}

#[tokio::test]
async fn a_link_that_is_used_when_its_upload_is_gone_leaves_nothing() {
    let emulator = S3Emulator::start();
    let mut world = world_on(&emulator).await;
    let wish = json!({"name": "x.bin", "size": 5});
    let (_, upload) = world.post("/v1/uploads", &wish).await;
    let parts = upload["urls"]["parts"].as_str().unwrap();
    let link = format!("{parts}/1/link?sha256={}", sha256(b"bytes"));
    let (_, link) = answer(world.request(Method::POST, &link)).await;
    let whole = upload["urls"]["get"].as_str().unwrap();
    let gone = world.request(Method::DELETE, whole).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(put(&world, &link, b"bytes").await, 200);
    assert_eq!(emulator.objects(PARTS), 1);

    world.kill_server();
    world.serve().await;
    let until = Instant::now() + PATIENCE;
    while emulator.objects(PARTS) > 0 {
        assert!(Instant::now() < until, "it stays:\n{}", world.printed());
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
    world.close().await;
}

/// Sends a part by its link; the status of the storage's answer.
async fn put(world: &World, link: &Value, bytes: &[u8]) -> u16 {
    let put = world.client.put(link["url"].as_str().unwrap());
    let headers = link["headers"].as_object().unwrap();
    let put = headers.iter().fold(put, |put, (name, value)| {
        put.header(name, value.as_str().unwrap())
    });
    let answer = put.body(bytes.to_vec()).send().await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_command_line_sends_large_files_past_the_server_where_it_can() {
    let emulator = S3Emulator::start();
    let world = world_on(&emulator).await;
    let bytes: Vec<u8> = (0..65_usize << 20)
        .map(|at| ((at * 31) >> 7) as u8)
        .collect();
    let path = world.folder.path().join("large.bin");
    fs::write(&path, &bytes).unwrap();
    let put = world.ok_json(&["data", "put", "large", "large.bin"]).await;
    assert_eq!(
        put["checksums"]["sha256"],
        sha256(&bytes).as_str(),
        "{put:#}"
    );
    assert_eq!(emulator.links_used(), 5);

    emulator.refuse_links();
    fs::write(&path, &bytes[1..]).unwrap();
    let put = world.ok_json(&["data", "put", "large", "large.bin"]).await;
    assert_eq!(
        (&put["version"], &put["checksums"]["sha256"]),
        (&json!(2), &json!(sha256(&bytes[1..])))
    );
    assert_eq!(emulator.links_used(), 5);
    world.close().await;
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_is_told_before_anything_is_lost() {
    let emulator = S3Emulator::start();
    let world = world_on(&emulator).await;
    let fresh = world.folder.path().join("fresh");
    let run = |verb: &str, place: &str, name: &str, value: &str| {
        let mut command = world.command();
        command
            .arg(verb)
            .env("ONSTAGE_BLOBS", place)
            .env("ONSTAGE_LISTEN", "127.0.0.1:0");
        command.env("ONSTAGE_DATA", &fresh).env(name, value);
        ended(command)
    };
    let region = ("AWS_REGION", "eu-central-1");
    let key = ("AWS_SECRET_ACCESS_KEY", "wrong");
    let cases = [
        ("s3://nothing-here", region, "no such bucket"),
        (S3Emulator::PLACE, key, "403"),
    ];
    for (place, (name, value), why) in cases {
        let told = run("serve", place, name, value).await;
        let said = text(&told.stderr);
        assert!(!told.status.success(), "{said}");
        assert!(
            said.contains(&format!("`{place}` cannot be used")),
            "{said}"
        );
        assert!(said.contains("does the bucket exist"), "{said}");
        assert_eq!(said.matches(why).count(), 1, "{said}");
        let told = run("doctor", place, name, value).await;
        let said = text(&told.stdout);
        assert!(said.contains("fail  bucket"), "{said}");
        assert!(said.contains("does the bucket exist"), "{said}");
    }
    world.close().await;
}

/// Many clients look for an answer only when they have sent everything.
#[tokio::test]
async fn who_sends_what_cannot_be_kept_is_told_so() {
    let emulator = S3Emulator::start();
    let world = world_on(&emulator).await;
    drop(emulator);
    let address = world.url.strip_prefix("http://").unwrap().to_owned();
    let token = &world.token;
    let head = format!(
        "PUT /v1/datasets/large?filename=x.bin HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n",
        LOST_BYTES
    );
    let answered = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(head.as_bytes())?;
        socket.write_all(&vec![7; LOST_BYTES])?;
        let mut answer = [0; 12];
        socket.read_exact(&mut answer)?;
        io::Result::Ok(answer)
    });
    let answer = answered.await.unwrap().expect("the connection broke");
    assert_eq!(text(&answer), "HTTP/1.1 503");
    world.close().await;
}

/// What a program said that must end by itself: one that goes on is killed, and fails the test.
async fn ended(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let said = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    said.expect("it went on").unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
