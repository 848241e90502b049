//! F09: the disk of the data folder is full, under load, and has room again a while later.

use super::{
    at_random::{history, tell},
    caller::{Caller, Dice},
    load::Load,
    stage::Stage,
};
use crate::{
    actor::{self, act},
    experiment::{Experiment, is_full},
    gauges::percentile,
    world::{PATIENCE, World},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// In full, longer than a lease lasts.
const REDUCED: Duration = Duration::from_secs(6);
const FULL: Duration = Duration::from_secs(60);
/// Between two rounds: what waited goes on, and the load is under way again.
const GAP_REDUCED: Duration = Duration::from_secs(2);
const GAP_FULL: Duration = Duration::from_secs(25);
const DISK_MIB: u32 = 256;
const ASK_EVERY: Duration = Duration::from_millis(100);
const REFUSED_MS_MAX: f64 = 1_000.0;
const HEALED_MS_MAX: f64 = 10_000.0;
/// Apart from the numbers of everybody else's jobs.
const NUMBERS_FROM: u64 = 3_000_000_000;
const STORAGE_FULL: u16 = 507;

/// A small disk of its own under the data folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Moves the folder of a server that stands still onto it. None where mounting is not allowed.
    fn under(world: &World) -> Option<Self> {
        let (data, aside) = (world.data(), world.folder.path().join("aside"));
        let size = format!("size={DISK_MIB}m,mode=700");
        let options = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        std::fs::rename(&data, &aside).unwrap();
        std::fs::create_dir(&data).unwrap();
        let mounted = Command::new("mount").args(options).arg(&data).output();
        let mounted = mounted.is_ok_and(|done| done.status.success());
        let copied = Command::new("cp")
            .arg("-a")
            .arg(aside.join("."))
            .arg(&data)
            .status();
        assert!(copied.unwrap().success());
        mounted.then(|| Self(data))
    }

    fn fill(&self) -> Ballast {
        let place = self.0.join("ballast");
        let file = File::options().create(true).append(true).open(&place);
        Ballast {
            file: file.unwrap(),
            place,
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        // What the world could not remove of itself.
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

/// Takes all the room there is, and what others give back.
struct Ballast {
    file: File,
    place: PathBuf,
}

impl Ballast {
    fn grow(&mut self) {
        let zeros = [0; 1 << 16];
        for bytes in [1 << 16, 1 << 12, 1] {
            while self.file.write(&zeros[..bytes]).is_ok() {}
        }
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.place);
    }
}

#[tokio::test]
async fn f09_a_full_disk_refuses_in_words_loses_nothing_and_heals() {
    let title = "the disk of the data folder is full under load";
    let mut it = Experiment::new("F09", title, 5, 2);
    let (length, gap) = match is_full() {
        true => (FULL, GAP_FULL),
        false => (REDUCED, GAP_REDUCED),
    };
    let mut disk = None;
    let stage = Stage::open_after("300ms", |world| disk = SmallDisk::under(world)).await;
    if disk.is_none() {
        eprintln!("SKIPPED: mounting a small disk is not allowed here");
    }
    actor::push(&stage.world, "actor", "workers = { min = 1, max = 1 }").await;
    let load = Load::begin(&stage, Dice::new(it.random(u64::MAX)), 6);
    let mut unknown = 0;
    for round in 0..it.rounds() as u64 {
        tokio::time::sleep(gap).await;
        if let Some(disk) = &disk {
            unknown += one_round(&mut it, &stage, disk, length, round).await;
        }
    }
    let mut outcome = load.end().await;
    outcome.unknown += unknown;
    let bad = stage.try_all(20).await;
    it.check(bad.is_empty(), || {
        format!("I9: after the full disk: {bad:?}")
    });
    let (notes, record) = (stage.ledger(), stage.close().await);
    tell(&mut it, &outcome, &history(&outcome, &notes, record));
    it.end();
}

/// Answers how many jobs there may be of which the load does not know.
async fn one_round(
    it: &mut Experiment,
    stage: &Stage,
    disk: &SmallDisk,
    length: Duration,
    round: u64,
) -> usize {
    let first = NUMBERS_FROM + round * 1_000_000;
    let mut ballast = disk.fill();
    let until = Instant::now() + length;
    let (mut refused, mut taken) = (Vec::new(), 0);
    let mut n = first;
    while Instant::now() < until {
        ballast.grow();
        n += 1;
        let (took, status) = submit(it, &stage.caller, n).await;
        match status {
            STORAGE_FULL => refused.push(took),
            _ => taken += 1,
        }
        read(it, &stage.caller).await;
        let told = act(&stage.world, "actor", "ok", n).await;
        it.check(told.is(n), || format!("on a full disk, call {n}: {told:?}"));
        tokio::time::sleep(ASK_EVERY).await;
    }
    it.check(!refused.is_empty(), || "nothing was refused".to_owned());
    it.counted("refused", refused.len());
    it.counted("taken_meanwhile", taken);
    it.ms_at_most("refused_max", percentile(&mut refused, 1.0), REFUSED_MS_MAX);
    drop(ballast);
    healed(it, &stage.caller, first).await;
    taken + 1
}

/// It is taken, or refused in words.
async fn submit(it: &mut Experiment, caller: &Caller, n: u64) -> (Duration, u16) {
    let asked = Instant::now();
    let request = caller.request(Method::POST, "/v1/models/lab/kept/predictions");
    let answer = caller.ask(request.json(&json!({"input": {"n": n}}))).await;
    let status = answer.as_ref().map_or(0, |(status, _)| *status);
    let right = match &answer {
        Some((200..=202, _)) => true,
        Some((STORAGE_FULL, problem)) => is_in_words(problem),
        _ => false,
    };
    it.check(right, || format!("submission {n} got {answer:?}"));
    (asked.elapsed(), status)
}

fn is_in_words(problem: &Value) -> bool {
    problem["code"] == "storage_full" && problem["detail"].is_string()
}

/// What is there can be looked at.
async fn read(it: &mut Experiment, caller: &Caller) {
    for path in [
        "/v1/models",
        "/v1/jobs?limit=5",
        "/v1/predictions?limit=5",
        "/readyz",
    ] {
        let answer = caller.ask(caller.request(Method::GET, path)).await;
        let fine = matches!(&answer, Some((200, _)));
        it.check(fine, || format!("on a full disk, {path} got {answer:?}"));
    }
}

/// By itself, without a new start.
async fn healed(it: &mut Experiment, caller: &Caller, n: u64) {
    let room = Instant::now();
    let path = "/v1/models/lab/kept/predictions";
    let body = json!({"input": {"n": n}});
    let (status, made) = caller.submit(path, &body, &format!("healed {n}")).await;
    it.check(matches!(status, 200..=202), || made.to_string());
    it.ms_at_most("taken_again_after", room.elapsed(), HEALED_MS_MAX);
    let path = format!(
        "/v1/predictions/{}",
        made["id"].as_str().unwrap_or_default()
    );
    while caller.get(&path).await.1["status"] != "succeeded" {
        assert!(room.elapsed() < PATIENCE, "{path} does not end");
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
    it.ms_at_most("done_again_after", room.elapsed(), HEALED_MS_MAX);
}
