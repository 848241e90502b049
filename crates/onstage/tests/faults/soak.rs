//! F44: a day in small. Requests, jobs and new versions at a steady rate; memory, descriptors, zombies and files do not grow.

use crate::{
    experiment::{Experiment, is_full},
    gauges::{own_bytes, percentile, zombies_of},
    load::steady,
    world::World,
};
use serde_json::json;
use std::{
    cell::Cell,
    fs,
    time::{Duration, Instant},
};

const REQUESTS_PER_S: f64 = 20.0;
const TOML: &str =
    "[model]\nname = \"soak\"\n[realtime]\nworkers = { min = 1, max = 2 }\nidle = \"5s\"\n";
const JOB: &str = "import onstage as on\n\n@on.predict(background=True)\ndef job(x: int) -> int:\n    print('done')\n    return x\n";
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The first part of the time fills caches and pools.
const WARM_SHARE: f64 = 0.4;
/// A slope over a few minutes is mostly noise; 24 hours of this would still fit a small machine.
const SLOPE_MIB_PER_MIN_MAX: f64 = 0.6;
const DESCRIPTORS_MORE_MAX: f64 = 24.0;
const FILES_MORE_MAX: f64 = 8.0;

/// What a front holds at one moment.
struct Look {
    at: f64,
    rss_mib: f64,
    descriptors: f64,
    zombies: usize,
    files: f64,
}

fn version(n: u32) -> String {
    format!("import onstage as on\n\n@on.predict\ndef f(x: int) -> list:\n    return [{n}]\n")
}

async fn push(world: &World, n: u32) {
    world
        .push("soak", &version(n), &[("onstage.toml", TOML)])
        .await;
    world
        .until("/v1/models/lab/soak", |model| {
            model["live_version_number"] == n
        })
        .await;
}

/// What is there for a while only: of processes, tasks and uploads. Of ended tasks the last 200 logs are kept.
fn passing_files(world: &World) -> usize {
    let names = ["scratch", "tasks", "tmp"].map(|name| world.data().join(name));
    let entries = names.iter().filter_map(|folder| fs::read_dir(folder).ok());
    let entries = entries.flatten().flatten();
    let passing = entries.filter(|entry| !entry.file_name().to_string_lossy().ends_with(".log"));
    let temporary = fs::read_dir(world.folder.path()).map_or(0, Iterator::count);
    passing.count() + temporary
}

fn look(world: &World, began: Instant) -> Look {
    let front = world.server_pid();
    let descriptors = fs::read_dir(format!("/proc/{front}/fd")).map_or(0, Iterator::count);
    Look {
        at: began.elapsed().as_secs_f64() / 60.0,
        rss_mib: own_bytes(front) as f64 / f64::from(1 << 20),
        descriptors: descriptors as f64,
        zombies: zombies_of(front),
        files: passing_files(world) as f64,
    }
}

async fn looks(world: &World, over: &Cell<bool>) -> Vec<Look> {
    let began = Instant::now();
    let mut all = Vec::new();
    while !over.get() {
        all.push(look(world, began));
        tokio::time::sleep(LOOK_EVERY).await;
    }
    all
}

/// The least squares line through what was seen, in units a minute.
fn slope(looks: &[Look], of: impl Fn(&Look) -> f64) -> f64 {
    let count = looks.len() as f64;
    let mean = |value: &dyn Fn(&Look) -> f64| looks.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(&|look| look.at), mean(&|look| of(look)));
    let both: f64 = looks
        .iter()
        .map(|look| (look.at - x) * (of(look) - y))
        .sum();
    let square: f64 = looks.iter().map(|look| (look.at - x).powi(2)).sum();
    both / square.max(f64::EPSILON)
}

/// How much more there was at the end than after the beginning, by the middle of some looks each.
fn more(looks: &[Look], of: impl Fn(&Look) -> f64) -> f64 {
    let middle = |some: &[Look]| {
        let mut values: Vec<f64> = some.iter().map(&of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let some = (looks.len() / 5).max(1);
    middle(&looks[looks.len() - some..]) - middle(&looks[..some])
}

#[tokio::test]
async fn f44_nothing_grows_under_a_steady_load() {
    let title = "requests, jobs and rolls at a steady rate: nothing grows";
    let mut it = Experiment::new("F44", title, 600, 15);
    let length = Duration::from_secs(it.rounds() as u64);
    let (job_every, roll_every) = if is_full() { (10, 60) } else { (2, 6) };
    let world = World::with(&[("ONSTAGE_PROBATION", "5s")]).await;
    world.push("job", JOB, &[]).await;
    push(&world, 1).await;
    let (over, rolls, jobs) = (Cell::new(false), Cell::new(0), Cell::new(0));
    let requests = (length.as_secs_f64() * REQUESTS_PER_S) as usize;
    let load = async {
        let all = steady(&world, "soak", REQUESTS_PER_S, |asked| asked >= requests).await;
        over.set(true);
        all
    };
    let rolling = async {
        while !over.get() {
            tokio::time::sleep(Duration::from_secs(roll_every)).await;
            rolls.set(rolls.get() + 1);
            push(&world, rolls.get() + 1).await;
        }
    };
    let working = async {
        let mut bad = Vec::new();
        while !over.get() {
            tokio::time::sleep(Duration::from_secs(job_every)).await;
            let made = world.predict("job", json!({"x": jobs.get()})).await.1;
            let path = format!(
                "/v1/predictions/{}",
                made["id"].as_str().unwrap_or_default()
            );
            let ended = world.finished(&path).await;
            bad.extend((ended["output"] != jobs.get()).then_some(ended));
            jobs.set(jobs.get() + 1);
        }
        bad
    };
    let (all, (), bad, looks) = tokio::join!(load, rolling, working, looks(&world, &over));
    let mut times = Vec::with_capacity(all.len());
    for asked in &all {
        let told = &asked.told;
        let fine = told.status == 201 && told.answer["status"] == "succeeded";
        it.check(fine, || format!("{told:?}"));
        times.push(told.took);
    }
    it.check(bad.is_empty(), || format!("{bad:?}"));
    it.measured("requests", all.len());
    it.measured("jobs", jobs.get());
    it.measured("rolls", rolls.get());
    it.measured("p99_ms", percentile(&mut times, 0.99).as_millis() as u64);
    tell(&mut it, &looks);
    let front = world.server_pid();
    let quiet = tokio::time::timeout(Duration::from_secs(20), async {
        while zombies_of(front) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await; // poll
        }
    });
    let quiet = quiet.await.is_ok();
    it.check(quiet, || "zombies are left".to_owned());
    world.close().await;
    it.end();
}

fn tell(it: &mut Experiment, looks: &[Look]) {
    let warm = &looks[(looks.len() as f64 * WARM_SHARE) as usize..];
    it.measured(
        "rss_mib_at_the_end",
        warm.last().map_or(0.0, |look| look.rss_mib.round()),
    );
    let zombies = looks.iter().map(|look| look.zombies).max().unwrap_or(0);
    it.measured("zombies_at_once", zombies);
    let slope = slope(warm, |look| look.rss_mib);
    it.at_most("rss_mib_per_min", slope, SLOPE_MIB_PER_MIN_MAX);
    it.at_most(
        "descriptors_more",
        more(warm, |look| look.descriptors),
        DESCRIPTORS_MORE_MAX,
    );
    it.at_most("files_more", more(warm, |look| look.files), FILES_MORE_MAX);
}
