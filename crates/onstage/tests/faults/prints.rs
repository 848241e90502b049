//! F45: models that print without end. Their logs keep beginning and end, the front stays as it is, and others are answered as before.

use crate::{
    actor::{self, echoes},
    experiment::{Experiment, is_full},
    gauges::{cpu, own_bytes, percentile},
    world::World,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A gigabyte a minute.
const POUR: &str = r#"
import time
import onstage as on

@on.predict(background=BACKGROUND)
def pour(seconds: float) -> int:
    began, n, line = time.monotonic(), 0, "x" * 1000
    print("the first line")
    while time.monotonic() - began < seconds:
        for _ in range(170):
            print(n, line)
            n += 1
        time.sleep(0.01)
    print("the last line", flush=True)
    return n
"#;
const LINE_BYTES: u64 = 1_006;
/// How long is printed; in full, long enough for a slope to show.
const REDUCED_S: f64 = 2.0;
const FULL_S: f64 = 60.0;
/// What is kept of a log is a good deal less.
const LOG_BYTES_MAX: usize = 1 << 20;
const FRONT_CPU_PERCENT_MAX: f64 = 20.0;
const FRONT_GREW_MIB_MAX: f64 = 16.0;
/// Others ask at this pace, so that what they cost themselves is little.
const CALL_EVERY: Duration = Duration::from_millis(40);
const QUIET_CALLS: usize = 100;
/// Others may take so many times what they take in quiet, and a little.
const OTHERS_TIMES_MAX: f64 = 1.1;
const OTHERS_MS: f64 = 5.0;

/// What printing has cost.
struct Cost {
    cpu_percent: f64,
    grew_mib: f64,
    others: Vec<Duration>,
}

async fn push(world: &World, name: &str, background: &str) {
    let code = POUR.replace("BACKGROUND", background);
    let realtime = "[realtime]\nworkers = { min = 1, max = 1 }\ntimeout = \"5m\"\n";
    let toml = format!("[model]\nname = \"{name}\"\n{realtime}");
    world.push(name, &code, &[("onstage.toml", &toml)]).await;
}

/// Has a model print, asks another one meanwhile; answers the record and what it cost.
async fn pour(it: &mut Experiment, world: &World, name: &str) -> (Value, Cost) {
    let front = world.server_pid();
    let (cpu_before, rss_before, began) = (cpu(front), own_bytes(front), Instant::now());
    let seconds = if is_full() { FULL_S } else { REDUCED_S };
    let path = format!("/v1/models/lab/{name}/predictions");
    let (status, made) = world
        .post(&path, &json!({"input": {"seconds": seconds}}))
        .await;
    it.check(matches!(status, 201 | 202), || made.to_string());
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    let mut others = Vec::new();
    let record = loop {
        others.extend(echoes(world, it, "actor", 1).await);
        tokio::time::sleep(CALL_EVERY).await;
        let (_, record) = world.get(&path).await;
        if record["completed_at"].is_string() {
            break record;
        }
    };
    let used = (cpu(front) - cpu_before).as_secs_f64() / began.elapsed().as_secs_f64();
    let grew = own_bytes(front).saturating_sub(rss_before) as f64 / f64::from(1 << 20);
    let cost = Cost {
        cpu_percent: used * 100.0,
        grew_mib: grew,
        others,
    };
    (record, cost)
}

/// Beginning, gap and end.
async fn check_log(it: &mut Experiment, world: &World, record: &Value) {
    let path = format!("/v1/predictions/{}/logs", record["id"].as_str().unwrap());
    let (_, logs) = world.get(&path).await;
    let logs = logs.as_str().unwrap_or_default();
    let (first, last) = (logs.lines().next(), logs.lines().last());
    let marked = logs
        .lines()
        .any(|line| line.len() < 200 && (line.contains("not kept") || line.contains("left out")));
    it.check(record["status"] == "succeeded", || record.to_string());
    it.check(first == Some("the first line"), || format!("{first:?}"));
    it.check(last == Some("the last line"), || format!("{last:?}"));
    it.check(marked, || {
        let starts = logs
            .lines()
            .map(|line| line.split(" xx").next().unwrap_or_default());
        let all: Vec<&str> = starts.collect();
        format!("the gap is not marked: {all:?}")
    });
    it.check(logs.len() < LOG_BYTES_MAX, || {
        format!("{} bytes are kept", logs.len())
    });
    it.at_most("log_kept_kib", logs.len() as f64 / 1024.0, 1024.0);
    let lines = record["output"].as_u64().unwrap_or_default();
    it.counted("printed_mib", ((lines * LINE_BYTES) >> 20) as usize);
}

#[tokio::test]
async fn f45_models_that_print_without_end() {
    let mut it = Experiment::new("F45", "a model prints a gigabyte a minute", 3, 1);
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    push(&world, "job", "True").await;
    push(&world, "call", "False").await;
    let mut quiet = echoes(&world, &mut it, "actor", QUIET_CALLS).await;
    let before = percentile(&mut quiet, 0.99).as_secs_f64() * 1e3;
    for _ in 0..it.rounds() {
        for name in ["job", "call"] {
            let (record, mut cost) = pour(&mut it, &world, name).await;
            check_log(&mut it, &world, &record).await;
            let others = percentile(&mut cost.others, 0.99);
            let of = |what: &str| format!("{name}_{what}");
            it.at_most(
                &of("front_cpu_percent"),
                cost.cpu_percent,
                FRONT_CPU_PERCENT_MAX,
            );
            it.at_most(&of("front_grew_mib"), cost.grew_mib, FRONT_GREW_MIB_MAX);
            it.ms_at_most(
                &of("others_p99"),
                others,
                before * OTHERS_TIMES_MAX + OTHERS_MS,
            );
        }
    }
    it.at_most("others_p99_before_ms", before, f64::MAX);
    world.close().await;
    it.end();
}
