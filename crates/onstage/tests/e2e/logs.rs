//! `onstage logs`: of what runs, as it runs, through a restart of the server; and for programs as JSON lines.

use crate::world::{PATIENCE, World, answer, signal, wait};
use serde_json::Value;
use std::{
    process::Stdio,
    time::{Duration, Instant},
};

const TALKS: &str = r#"
import time
import onstage as on

@on.predict(background=True)
def talks(seconds: float = 0.0, word: str = "hello") -> str:
    print(f"{word} begins", flush=True)
    time.sleep(seconds)
    print(f"{word} ends", flush=True)
    return word
"#;

#[tokio::test]
async fn followed_logs_show_what_runs_and_ride_out_a_restart() {
    let mut world = World::start().await;
    world.push("talks", TALKS, &[]).await;
    let mut logs = world.begin(&["logs", "-f", "talks"]);
    logs.says("--- lab/talks v1: ready").await;
    let mut run = world.begin(&["run", "talks", "seconds=5", "word=whale"]);
    logs.says("whale begins").await;
    assert!(run.running(), "its lines came only when it had ended");
    world.kill_server();
    logs.says("the server is away").await;
    world.serve().await;
    logs.says("whale ends").await;
    assert_eq!(run.ends().await, Some(0), "{}", run.err());
    // More than one page of the list at once.
    let table: String = (0..3).map(|n| format!("row-{n}\n")).collect();
    let (status, job) = world
        .batch("talks", "words.csv", format!("word\n{table}"), Value::Null)
        .await;
    assert_eq!(status, 202, "{job:#}");
    logs.says("row-2 ends").await;
    assert_eq!(
        logs.out().matches("whale ends").count(),
        1,
        "{}",
        logs.out()
    );
    logs.interrupt();
    logs.ends().await;
    world.close().await;
}

#[tokio::test]
async fn logs_for_programs_are_json_lines() {
    let world = World::start().await;
    world.push("talks", TALKS, &[]).await;
    world.ok(&["run", "talks", "word=eel"]).await;
    let out = world.ok(&["logs", "talks", "--json"]).await;
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(lines[0]["kind"], "build", "{out}");
    assert!(
        lines[0]["logs"].as_str().unwrap().contains("--- loading"),
        "{out}"
    );
    assert_eq!(lines[1]["logs"], "eel begins\neel ends\n", "{out}");
    let id = lines[1]["id"].as_str().unwrap();
    let one: Value = serde_json::from_str(&world.ok(&["logs", id, "--json"]).await).unwrap();
    assert_eq!(one["logs"], "eel begins\neel ends\n");
    world.close().await;
}

const POURS: &str = r#"
import time
import onstage as on

@on.predict
def pours(seconds: float) -> int:
    print("the first line")
    until, lines = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for _ in range(200):
            print(lines, "x" * 1000)
            lines += 1
        time.sleep(0.05)
    print("the last line")
    return lines
"#;

#[tokio::test]
async fn a_call_that_goes_on_as_a_job_keeps_the_beginning_and_the_end_of_what_it_prints() {
    let world = World::start().await;
    world.push("pours", POURS, &[]).await;
    let asked = world
        .request(reqwest::Method::POST, "/v1/models/lab/pours/predictions")
        .header("prefer", "respond-async")
        .json(&serde_json::json!({"input": {"seconds": 5}}));
    let (status, made) = answer(asked).await;
    assert_eq!(status, 202, "{made:#}");
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    let record = world.finished(&path).await;
    assert_eq!(record["status"], "succeeded", "{record:#}");
    let (_, logs) = world.get(&format!("{path}/logs")).await;
    let lines: Vec<&str> = logs.as_str().unwrap().lines().collect();
    assert_eq!(lines.first(), Some(&"the first line"));
    assert_eq!(lines.last(), Some(&"the last line"));
    let gaps = lines
        .iter()
        .filter(|line| line.contains("not kept"))
        .count();
    assert!(gaps > 0, "the gap is not marked");
    let events = world.events(&path).await;
    let said = events.iter().filter(|event| event["event"] == "log");
    let bytes: usize = said.map(|event| event.to_string().len()).sum();
    assert!(bytes < 400 * 1024, "{bytes} bytes of lines are kept");
    world.close().await;
}

/// As when a terminal is closed, or the program that kept the log dies.
#[tokio::test]
async fn a_server_whose_log_nobody_reads_any_more_goes_on_and_stops_when_asked() {
    let mut world = World::start().await;
    let fresh = world.folder.path().join("fresh");
    let mut command = world.command();
    let mut other = command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("ONSTAGE_DATA", &fresh)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let record = fresh.join("client.json");
    let until = Instant::now() + PATIENCE;
    while !record.exists() {
        assert!(Instant::now() < until, "it did not start");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
    drop((other.stdout.take(), other.stderr.take()));
    signal(other.id(), "TERM");
    let ended = tokio::task::spawn_blocking(move || wait(&mut other, PATIENCE));
    assert_eq!(ended.await.unwrap(), Some(0));
    world.stop().await;
}
