//! Reading what a server tells and weighs: its metrics, its memory and processor time, and percentiles of what was timed.
//! Knows no experiment.

use crate::world::{PATIENCE, World};
use std::{
    fs,
    time::{Duration, Instant},
};

/// The kernel counts processor time in these per second.
const TICKS_PER_S: f64 = 100.0;

/// The sum of a metric's lines that contain all of `labels`.
pub(crate) async fn metric(world: &World, name: &str, labels: &[&str]) -> f64 {
    sum(&page(world).await, name, labels)
}

async fn page(world: &World) -> String {
    let (status, text) = world.get("/metrics").await;
    assert_eq!(status, 200, "{text}");
    text.as_str().unwrap().to_owned()
}

fn sum(page: &str, name: &str, labels: &[&str]) -> f64 {
    page.lines()
        .filter(|line| {
            line.split(['{', ' ']).next() == Some(name)
                && labels.iter().all(|label| line.contains(label))
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Workers that answer, of one version (`v1"`) or of all (``), at one moment.
pub(crate) async fn ready_workers(world: &World, version: &str) -> f64 {
    let page = page(world).await;
    let version = format!("version=\"{version}");
    let count = |state| sum(&page, "onstage_workers", &[&version, state]);
    count("\"idle\"") + count("\"busy\"")
}

/// Waits until nothing is queued or in flight; answers what was left when patience ran out.
pub(crate) async fn settled(world: &World) -> f64 {
    let deadline = Instant::now() + PATIENCE / 6;
    loop {
        let page = page(world).await;
        let left =
            sum(&page, "onstage_queue_items", &[]) + sum(&page, "onstage_in_flight_items", &[]);
        if left == 0.0 || Instant::now() > deadline {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
}

/// Memory of a process's own: without its code, which comes back as it is used after a start has given it back.
pub(crate) fn own_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a process has memory of its own") * 1024
}

/// Processor time of a process so far, without its children.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    Duration::from_secs_f64(ticks / TICKS_PER_S)
}

/// Children of a process that have ended and were not waited for.
pub(crate) fn zombies_of(parent: u32) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            let mut fields = stat.rsplit(')').next().unwrap().split_whitespace();
            fields.next() == Some("Z") && fields.next() == Some(&parent.to_string())
        })
        .count()
}

pub(crate) fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let place = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1));
    times.get(place - 1).copied().unwrap_or_default()
}
