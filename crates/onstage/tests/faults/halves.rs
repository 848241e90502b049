//! F41: the front dies around the steps of putting a file away. What can be read is whole, and what was half-written is swept.

use crate::{
    experiment::Experiment,
    kills::caller::Caller,
    world::{PATIENCE, World},
};
use reqwest::Method;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// Of an upload: a whole part, which is written while it still comes, and a rest.
const FILE_BYTES: usize = 9 << 20;
/// About as long as an upload takes.
const KILLED_WITHIN_MS: u64 = 120;
/// What nobody has written to for longer has no writer any more.
const LONG_AGO: Duration = Duration::from_secs(2 * 3_600);
/// Around the step that makes it whole, and at any moment.
const STEPS: [Option<&str>; 3] = [Some("front put before"), Some("front put after"), None];
const HAS_POINTS: bool = cfg!(any(debug_assertions, feature = "fail-points"));

/// A file whose every byte says which one it is.
fn content(n: usize) -> Vec<u8> {
    let word = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word.to_le_bytes().repeat(FILE_BYTES / 8)
}

/// Whether it is one of those that were uploaded, from end to end.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() == FILE_BYTES && bytes.chunks(8).all(|word| word == &bytes[..8])
}

/// All files below a folder; those that nobody has finished writing have a `#` in their name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn is_staged(path: &Path) -> bool {
    path.to_string_lossy().contains('#')
}

async fn upload(caller: &Caller, n: usize) -> Option<(u16, Value)> {
    let part = reqwest::multipart::Part::bytes(content(n)).file_name("half");
    let form = reqwest::multipart::Form::new().part("content", part);
    let request = caller.request(Method::POST, "/v1/files").multipart(form);
    caller.ask(request).await
}

/// One upload and one death; answers the file's id when it was acknowledged.
async fn die(
    it: &mut Experiment,
    (world, points): (&mut World, &Path),
    caller: &Caller,
    n: usize,
) -> Option<String> {
    let step = STEPS[n % STEPS.len()].filter(|_| HAS_POINTS);
    let next = points.join("next");
    if let Some(step) = step {
        let draft = points.join("draft");
        fs::write(&draft, step).unwrap();
        fs::rename(&draft, &next).unwrap();
    }
    let delay = Duration::from_millis(it.random(KILLED_WITHIN_MS));
    let server = world.server.as_mut().unwrap();
    let killed = async {
        match step {
            Some(_) => {
                let deadline = Instant::now() + PATIENCE;
                while server.try_wait().unwrap().is_none() {
                    assert!(Instant::now() < deadline, "nobody died at {step:?}");
                    tokio::time::sleep(Duration::from_millis(5)).await; // poll
                }
            }
            None => {
                tokio::time::sleep(delay).await;
                server.kill().unwrap();
            }
        }
    };
    let (answer, ()) = tokio::join!(upload(caller, n), killed);
    world.kill_server();
    let _ = fs::remove_file(&next);
    world.serve().await;
    let (status, made) = answer?;
    it.check(status == 201, || made.to_string());
    made["id"].as_str().map(str::to_owned)
}

/// What is there is whole, and so is what was acknowledged. It is let go then, so that a long run fills no disk.
async fn check_whole(it: &mut Experiment, world: &World, n: usize, kept: Option<String>) {
    if let Some(id) = &kept {
        let path = format!("/v1/files/{id}/content");
        let answer = world.request(Method::GET, &path).send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        it.check(status == 200 && bytes == content(n), || {
            format!("file {n} is {status}, {} bytes", bytes.len())
        });
        let request = world.request(Method::DELETE, &format!("/v1/files/{id}"));
        assert_eq!(request.send().await.unwrap().status(), 204);
    }
    for path in files(&world.data().join("blobs")) {
        if is_staged(&path) {
            // Its name is enough from here on.
            fs::File::create(&path).unwrap();
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        it.check(is_whole(&bytes), || {
            format!("{} is {} bytes of a file", path.display(), bytes.len())
        });
        it.counted("whole_and_unknown", 1);
        fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn f41_a_half_written_file_is_never_read_and_is_swept() {
    let title = "the front dies around the steps of putting a file away";
    let mut it = Experiment::new("F41", title, 200, 9);
    let points = tempfile::tempdir().unwrap();
    let mut world = World::with(&[("ONSTAGE_FAIL", points.path().to_str().unwrap())]).await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    world.socket = Some(socket);
    world.kill_server();
    world.serve().await;
    let made = world.ok_json(&["token", "create", "--name", "files"]).await;
    let caller = Caller::new(&url, made["token"].as_str().unwrap());
    for n in 0..it.rounds() {
        let kept = die(&mut it, (&mut world, points.path()), &caller, n).await;
        it.counted("acknowledged", usize::from(kept.is_some()));
        check_whole(&mut it, &world, n, kept).await;
    }
    let blobs = world.data().join("blobs");
    let staged: Vec<PathBuf> = files(&blobs)
        .into_iter()
        .filter(|it| is_staged(it))
        .collect();
    it.measured("half_written", staged.len());
    it.check(!staged.is_empty(), || "nothing was half-written".to_owned());
    for path in &staged {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - LONG_AGO).unwrap();
    }
    world.kill_server();
    world.serve().await;
    let deadline = Instant::now() + PATIENCE;
    while staged.iter().any(|path| path.exists()) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
    let left = staged.iter().filter(|path| path.exists()).count();
    it.check(left == 0, || format!("{left} were not swept"));
    world.stop().await;
    let left = files(&world.data().join("scratch"));
    it.check(left.is_empty(), || format!("left behind: {left:?}"));
    it.end();
}
