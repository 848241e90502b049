//! How fast a task drains and how little it holds; run by hand: `cargo test -p onstage-engine --test tasks --release throughput -- --ignored --nocapture`.

use super::{
    crew::{Act, ScriptCrew},
    world::World,
};
use onstage_backends::{blobs, store};
use onstage_core::{batch::TableFormat, job::JobOutput};
use serde_json::{Value, json};
use std::fmt::Write;

const JOBS: u32 = 1_000;
const ROWS: u64 = 1_000_000;

fn double(input: &Value) -> Act {
    Act::Answer((input["x"].as_f64().unwrap_or(0.0) * 2.0).to_string())
}

/// Kilobytes of memory this process has held at most.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

async fn sqlite_world(folder: &std::path::Path, extra: Value) -> World {
    let records = store::sqlite(&folder.join("onstage.db")).await.unwrap();
    let bytes = blobs::folder(&folder.join("blobs")).await.unwrap();
    World::new(records, bytes, extra).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn jobs_drained_per_second() {
    for (name, many) in [
        ("one by one", Value::Null),
        ("microbatches of 64", json!({"max": 64})),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let world = sqlite_world(folder.path(), json!({"schema": {"many": many}})).await;
        for x in 0..JOBS {
            world.predict(json!({ "x": x })).await;
        }
        let clock = world.parts.clock.clone();
        let began = clock.monotonic();
        world.run(&ScriptCrew::new(double)).await;
        let seconds = (clock.monotonic() - began).as_secs_f64();
        println!("sqlite, {name}: {:.0} jobs/s", f64::from(JOBS) / seconds);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn rows_per_second_and_memory_of_a_million_rows() {
    let folder = tempfile::tempdir().unwrap();
    let world = sqlite_world(folder.path(), json!({"schema": {"many": {"max": 100}}})).await;
    let mut table = "x,name\n".to_owned();
    for x in 0..ROWS {
        writeln!(table, "{x},row number {x}").unwrap();
    }
    let id = world
        .batch(&table, |spec| spec.format = TableFormat::Csv)
        .await;
    drop(table);
    let (before, clock) = (peak_kb(), world.parts.clock.clone());
    let began = clock.monotonic();
    world.run(&ScriptCrew::new(double)).await;
    let seconds = (clock.monotonic() - began).as_secs_f64();
    let job = world.job(&id).await;
    let onstage_core::job::JobState::Succeeded {
        output: JobOutput::Batch {
            counts, rows_per_s, ..
        },
        ..
    } = job.state
    else {
        panic!("{job:?}")
    };
    assert_eq!(counts.done, ROWS);
    println!(
        "{rows_per_s:.0} rows/s computed, {:.0} rows/s with the result; peak memory {before} kB before, {} kB after",
        ROWS as f64 / seconds,
        peak_kb()
    );
}
