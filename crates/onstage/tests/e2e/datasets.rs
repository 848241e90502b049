//! Datasets by the command line and over HTTP: brought, looked into, fetched, removed; large ones through cuts and in little memory.

use crate::world::{World, text};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_dataset_is_brought_shown_fetched_and_removed() {
    let world = World::start().await;
    let at = |name: &str| world.folder.path().join(name);
    fs::write(at("fish.csv"), "n,caught\n1,2026-01-31\n2,\n").unwrap();
    assert_eq!(
        world.ok(&["data", "put", "fish", "fish.csv"]).await,
        "fish@v1\n"
    );
    let again = world.ok_json(&["data", "put", "fish", "fish.csv"]).await;
    assert_eq!(again["version"], 1, "the same bytes are the same version");
    fs::create_dir_all(at("photos/deep")).unwrap();
    fs::write(at("photos/deep/a.txt"), "hello").unwrap();
    let folder = world.ok_json(&["data", "put", "photos", "photos"]).await;
    assert_eq!(
        (&folder["format"], &folder["name"]),
        (&json!("tar"), &json!("photos.tar"))
    );
    let inside = world.ok_json(&["data", "show", "photos"]).await;
    assert_eq!(
        (&inside["files"], &inside["whole"]),
        (&json!([{"path": "deep/a.txt", "size": 5}]), &json!(true))
    );
    let shown = world.ok(&["data", "show", "photos"]).await;
    assert!(shown.contains("deep/a.txt"), "{shown}");
    let listed = world.ok(&["data", "ls"]).await;
    assert!(
        listed.contains("fish@v1") && listed.contains("photos@v1"),
        "{listed}"
    );
    let shown = world.ok(&["data", "show", "fish@v1"]).await;
    assert!(
        shown.contains("caught") && shown.contains("date"),
        "{shown}"
    );
    let preview = world.ok_json(&["data", "show", "fish"]).await;
    assert_eq!(
        preview["columns"][1],
        json!({"name": "caught", "type": "date", "missing": 1})
    );
    world
        .ok(&["data", "get", "fish", "--out", "back.csv"])
        .await;
    assert_eq!(
        fs::read(at("back.csv")).unwrap(),
        fs::read(at("fish.csv")).unwrap()
    );
    let twice = world.run(&["data", "get", "fish"]).await;
    assert_eq!(twice.status.code(), Some(3), "{}", text(&twice.stderr));
    let vague = world.run(&["data", "rm", "fish"]).await;
    assert_eq!(vague.status.code(), Some(2), "{}", text(&vague.stderr));
    world.ok(&["data", "rm", "fish@v1"]).await;
    world.ok(&["data", "rm", "photos", "--all"]).await;
    assert_eq!(world.ok_json(&["data", "ls"]).await["results"], json!([]));
    world.close().await;
}

/// Bytes that differ everywhere, so that no part looks like another.
fn long(mebibytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut bytes = Vec::with_capacity(mebibytes << 20);
    while bytes.len() < mebibytes << 20 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

/// Blobs of parts that lie in the data folder.
fn parts(world: &World) -> usize {
    let uploads = fs::read_dir(world.data().join("blobs/uploads"));
    let folders = uploads.into_iter().flatten().flatten();
    let files =
        folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    // What a writer had not finished when it was killed is swept later, and no part.
    files
        .filter(|file| !file.file_name().to_string_lossy().contains('#'))
        .count()
}

#[tokio::test]
async fn an_upload_survives_a_killed_server_and_a_killed_command() {
    let mut world = World::start().await;
    let bytes = long(160);
    fs::write(world.folder.path().join("long.bin"), &bytes).unwrap();
    let put = |more: &[&str]| {
        let mut command = world.command();
        command.args(["data", "put", "long", "long.bin"]).args(more);
        command.stderr(Stdio::null()).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let several = async |world: &World, wanted: usize| {
        let deadline = Instant::now() + PATIENCE;
        while parts(world) < wanted {
            assert!(Instant::now() < deadline, "no parts come");
            tokio::time::sleep(Duration::from_millis(5)).await; // poll
        }
    };
    let mut cut = put(&[]);
    several(&world, 2).await;
    cut.kill().unwrap();
    cut.wait().unwrap();
    let uploads = fs::read_dir(world.data().join("blobs/uploads")).unwrap();
    let id = uploads
        .flatten()
        .next()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap();
    let there = parts(&world);
    let mut resumed = put(&["--resume", &id]);
    several(&world, there + 2).await;
    world.kill_server();
    assert!(
        resumed.try_wait().unwrap().is_none(),
        "it waits for the server"
    );
    world.serve().await;
    let ended = tokio::task::spawn_blocking(move || resumed.wait_with_output().unwrap());
    let ended = ended.await.unwrap();
    assert_eq!(text(&ended.stdout), "long@v1\n", "{}", world.printed());
    let (status, version) = world.get("/v1/datasets/long/versions/1").await;
    assert_eq!((status, &version["size"]), (200, &json!(bytes.len())));
    let content = world.request(
        reqwest::Method::GET,
        version["urls"]["content"].as_str().unwrap(),
    );
    let back = content.send().await.unwrap().bytes().await.unwrap();
    assert!(back == bytes, "what came back is what was sent");
    assert_eq!(parts(&world), 0);
    world.close().await;
}

/// The most memory that a process ever had, and what it has now, in bytes.
fn memory(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    };
    (of("VmHWM:"), of("VmRSS:"))
}

#[tokio::test]
async fn an_upload_costs_the_front_little_memory() {
    const PIECES: usize = 600;
    const GROWN_BYTES_MAX: u64 = 64 << 20;
    let world = World::start().await;
    let (_, before) = memory(world.server_pid());
    let piece = Bytes::from(long(1));
    let pieces = stream::iter((0..PIECES).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let put = world
        .request(reqwest::Method::PUT, "/v1/datasets/large?format=other")
        .body(reqwest::Body::wrap_stream(pieces));
    let (status, made) = crate::world::answer(put).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["size"], PIECES << 20);
    let path = made["urls"]["content"].as_str().unwrap();
    let mut back = world
        .request(reqwest::Method::GET, path)
        .send()
        .await
        .unwrap()
        .bytes_stream();
    let mut came = 0;
    while let Some(piece) = back.next().await {
        came += piece.unwrap().len();
    }
    assert_eq!(came, PIECES << 20);
    let (most, _) = memory(world.server_pid());
    let grown = most.saturating_sub(before);
    assert!(
        grown <= GROWN_BYTES_MAX,
        "the front grew by {} MiB",
        grown >> 20
    );
    world.close().await;
}

const DOUBLE: &str = r"
import onstage as on

@on.predict
def double(n: int) -> int:
    return n * 2
";

#[tokio::test]
async fn feedback_is_exported_and_a_batch_job_runs_over_a_dataset() {
    let world = World::start().await;
    world.push("double", DOUBLE, &[]).await;
    let (_, made) = world.predict("double", json!({"n": 4})).await;
    let path = format!("/v1/predictions/{}/feedback", made["id"].as_str().unwrap());
    let (status, _) = world
        .post(&path, &json!({"rating": -1, "correction": 9}))
        .await;
    assert_eq!(status, 201);
    let exported = world
        .ok(&["feedback", "export", "double", "--dataset", "better"])
        .await;
    assert_eq!(exported, "better@v1\n");
    let shown = world.ok_json(&["data", "show", "better"]).await;
    let row = &shown["rows"][0];
    assert_eq!(
        (&row["input"], &row["output"], &row["target"]),
        (&json!({"n": 4}), &json!(8), &json!(9))
    );

    fs::write(world.folder.path().join("n.csv"), "n\n1\n2\n3\n").unwrap();
    world.ok(&["data", "put", "numbers", "n.csv"]).await;
    let table = "onstage://datasets/numbers";
    let out = world.ok(&["batch", "double", table]).await;
    assert!(out.trim().ends_with("numbers.result.csv"), "{out}");
    let result = fs::read_to_string(out.trim()).unwrap();
    assert_eq!(result, "n,answer,error\n1,2,\n2,4,\n3,6,\n");
    let wrong = ["batch", "double", table, "--out", "r.parquet"];
    let refused = world.run(&wrong).await;
    let said = text(&refused.stderr);
    assert!(said.contains("is csv") && said.contains("r.csv"), "{said}");
    let missing = world.run(&["batch", "double", "numbers"]).await;
    assert!(
        text(&missing.stderr).contains(table),
        "{}",
        text(&missing.stderr)
    );
    fs::write(world.folder.path().join("n.csv"), "n\n7\n").unwrap();
    world.ok(&["data", "put", "numbers", "n.csv"]).await;
    let refused = world.run(&["data", "rm", "numbers", "--all"]).await;
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    let said = text(&refused.stderr);
    assert!(
        said.contains("numbers@v1") && said.contains("1 other version is removed"),
        "{said}"
    );
    world.close().await;
}

/// What people said is rows to train with, also when the request had line breaks.
#[tokio::test]
async fn feedback_becomes_rows_to_train_with() {
    let world = World::start().await;
    world.push("double", DOUBLE, &[]).await;
    for (n, said) in [
        (4, json!({"rating": -1, "correction": 9})),
        (5, json!({"rating": 1})),
        (6, json!({"rating": -1})),
    ] {
        let body = format!("{{\n  \"input\": {{\r\n    \"n\": {n}\n  }}\n}}");
        let path = "/v1/models/lab/double/predictions";
        let request = world.request(reqwest::Method::POST, path);
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let (_, made) = crate::world::answer(request).await;
        let path = format!("/v1/predictions/{}/feedback", made["id"].as_str().unwrap());
        let (status, problem) = world.post(&path, &said).await;
        assert_eq!(status, 201, "{problem:#}");
    }
    let export = ["feedback", "export", "double", "--dataset", "said"];
    world.ok(&export).await;
    let shown = world.ok_json(&["data", "show", "said"]).await;
    assert_eq!(shown["rows"].as_array().unwrap().len(), 3, "{shown:#}");
    for format in ["csv", "jsonl"] {
        let more = ["--format", format, "--target", "twice"];
        world.ok(&[&export[..], &more].concat()).await;
        let shown = world.ok_json(&["data", "show", "said"]).await;
        // A preview of a CSV shows its cells as they are.
        let cell = |row: &Value, name: &str| row[name].to_string().replace('"', "");
        let rows = shown["rows"].as_array().unwrap().iter();
        let rows: Vec<_> = rows
            .map(|row| format!("{} {}", cell(row, "n"), cell(row, "twice")))
            .collect();
        let newest_first = ["5 10", "4 9"];
        assert_eq!(rows, newest_first, "{shown:#}");
    }
    let taken = [&export[..], &["--target", "n"]].concat();
    let refused = world.run(&taken).await;
    assert!(
        text(&refused.stderr).contains("no input has"),
        "{}",
        text(&refused.stderr)
    );
    world.close().await;
}

const LINES: &str = r"
import onstage as on

@on.predict
def lines(data: on.Dataset, extra: int = 0) -> int:
    return len(data.text().splitlines()) + extra
";

#[tokio::test]
async fn predictions_here_and_in_tasks_read_one_copy_of_a_dataset() {
    let world = World::start().await;
    world.push("lines", LINES, &[]).await;
    let later = LINES.replace("@on.predict", "@on.predict(background=True)");
    world.push("later", &later, &[]).await;
    fs::write(world.folder.path().join("n.csv"), "n\n1\n2\n3\n").unwrap();
    world.ok(&["data", "put", "numbers", "n.csv"]).await;
    for (model, input) in [
        ("lines", "data=numbers"),
        ("later", "data=numbers@v1"),
        ("lines", "data=@n.csv"),
    ] {
        let made = world.ok_json(&["run", model, input, "extra=10"]).await;
        assert_eq!(made["output"], 14, "{made:#}");
    }
    let table = "data\nnumbers\n".to_owned();
    let (_, job) = world.batch("lines", "t.csv", table, Value::Null).await;
    let id = job["id"].as_str().unwrap();
    world.finished(&format!("/v1/batches/{id}")).await;
    let (_, items) = world
        .get(&format!("/v1/batches/{id}/items?status=failed"))
        .await;
    assert!(
        items.to_string().contains("rows cannot name datasets"),
        "{items:#}"
    );
    let here = fs::read_dir(world.data().join("datasets"))
        .unwrap()
        .flatten();
    let placed: Vec<_> = here.filter(|entry| entry.path().is_dir()).collect();
    assert_eq!(placed.len(), 1, "{placed:?}");
    world.close().await;
}
