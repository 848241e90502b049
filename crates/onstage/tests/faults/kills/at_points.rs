//! F02: a process dies before and after every durable write that it makes. A new write has its points by itself, and must be passed here.

use super::{
    at_random::{history, tell},
    caller::Dice,
    errands,
    load::Load,
    stage::{Role, Stage, now},
};
use crate::{
    experiment::{Experiment, is_full},
    gauges::percentile,
    world::World,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

/// Whether the binary beside this test has fail points.
const HAS_POINTS: bool = cfg!(any(debug_assertions, feature = "fail-points"));
/// How long somebody may take to come to a point, longer each time, and how often it is tried; in `make test`, once.
const WAIT: Duration = Duration::from_millis(1_200);
const TRIES_MAX: usize = 20;
const POLL: Duration = Duration::from_millis(10);
/// Writes of a push.
const PUSHES: [&str; 3] = ["add_version", "set_version_state", "publish"];
/// Writes that this load does not make, each with why.
const NOT_PASSED: [(&str, &str); 5] = [
    ("forget", "what is not kept any longer is days old"),
    ("take_messages", "no host may receive webhooks"),
    ("settle_message", "no host may receive webhooks"),
    ("revive_messages", "no host may receive webhooks"),
    ("sweep_credentials", "only while beats stand still"),
];

#[tokio::test]
async fn f02_killed_before_and_after_every_durable_write() {
    let title = "a kill before and after every durable write of front, task and training";
    let mut it = Experiment::new("F02", title, 3, 1);
    if !HAS_POINTS {
        it.check(false, || "build with `--features fail-points`".to_owned());
        return it.end();
    }
    let mut stage = Stage::open("300ms").await;
    let load = Load::begin(&stage, Dice::new(it.random(u64::MAX)), 3);
    let errands = errands::begin(&stage);
    let mut points = Points::default();
    while let Some(point) = points.next(&stage, it.rounds(), it.random(1 << 32)) {
        points.try_one(&mut stage, &point).await;
    }
    let more = errands.end().await;
    let mut outcome = load.end().await;
    outcome.unknown += more;
    let bad = stage.try_all(20).await;
    it.check(bad.is_empty(), || format!("I9: after all faults: {bad:?}"));
    let passed = passed(stage.notes());
    let (notes, record) = (stage.ledger(), stage.close().await);
    it.measured("points", passed.len());
    it.measured("kills", points.hits.values().sum::<usize>());
    it.ms_at_most(
        "front_ready_max",
        percentile(&mut points.ready, 1.0),
        2_000.0,
    );
    let unhit = passed
        .iter()
        .filter(|point| !points.hits.contains_key(*point));
    let unhit: Vec<&String> = unhit.collect();
    it.measured("points_without_a_kill", unhit.len());
    it.check(!is_full() || unhit.is_empty(), || {
        format!("nobody died at {unhit:?}")
    });
    let missing = missing(&passed);
    it.measured("writes_not_made", missing.len());
    it.check(!is_full() || missing.is_empty(), || {
        format!("writes that were never made: {missing:?}; make them in errands.rs")
    });
    tell(&mut it, &outcome, &history(&outcome, &notes, record));
    it.end();
}

/// Where somebody died how often, and in vain.
#[derive(Default)]
struct Points {
    hits: BTreeMap<String, usize>,
    misses: BTreeMap<String, usize>,
    ready: Vec<Duration>,
}

impl Points {
    /// A point at which too few have died yet, by chance.
    fn next(&self, stage: &Stage, times: usize, chance: u64) -> Option<String> {
        let of = |counts: &BTreeMap<String, usize>, point: &String| {
            counts.get(point).copied().unwrap_or_default()
        };
        let tries = if is_full() { TRIES_MAX } else { 1 };
        let open: Vec<String> = passed(stage.notes())
            .into_iter()
            .filter(|point| of(&self.hits, point) < times)
            .filter(|point| of(&self.misses, point) < tries)
            .collect();
        let place = chance as usize % open.len().max(1);
        open.into_iter().nth(place)
    }

    async fn try_one(&mut self, stage: &mut Stage, point: &str) {
        let next = stage.notes().join("next");
        let draft = stage.notes().join("draft");
        fs::write(&draft, point).unwrap();
        fs::rename(&draft, &next).unwrap();
        self.provoke(stage, point);
        let tried = self.misses.get(point).copied().unwrap_or_default();
        let deadline = Instant::now() + WAIT * (1 + tried as u32);
        while next.exists() && Instant::now() < deadline {
            if stage.front_died() {
                self.ready.push(stage.revive().await);
            }
            tokio::time::sleep(POLL).await;
        }
        let counts = match fs::remove_file(&next) {
            Ok(()) => &mut self.misses,
            Err(_) => &mut self.hits,
        };
        *counts.entry(point.to_owned()).or_default() += 1;
        tokio::time::sleep(POLL).await;
        if stage.front_died() {
            self.ready.push(stage.revive().await);
        }
    }

    /// What comes by itself is waited for; some writes are made only when a task or the front starts, or somebody pushes.
    fn provoke(&self, stage: &Stage, point: &str) {
        let tried = self.misses.get(point).copied().unwrap_or_default();
        let name = point.split(' ').nth(1).unwrap_or_default();
        if PUSHES.contains(&name) {
            push(&stage.world, tried);
        } else if tried % 3 == 1 && point.starts_with("front") {
            stage.kill(stage.world.server_pid());
        } else if tried % 3 == 2
            && let Some((task, _)) = stage.processes(Role::Task).first()
        {
            stage.kill(*task);
        }
    }
}

/// Pushes a model anew without waiting for it: it may break.
fn push(world: &World, time: usize) {
    let code = "import onstage as on\n\n@on.predict\ndef again(x: int) -> int:\n    return x\n";
    let folder = world.model("again", &format!("# {time} {}\n{code}", now()), &[]);
    let mut command = world.command();
    command.arg("push").arg(folder);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut pushing = command.spawn().unwrap();
    std::thread::spawn(move || pushing.wait());
}

/// Every point that a process has come to, like `task finish_all after`.
fn passed(notes: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(notes.join("passed")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Writes of the store that nobody made.
fn missing(passed: &BTreeSet<String>) -> Vec<String> {
    let made: BTreeSet<&str> = passed
        .iter()
        .filter_map(|point| point.split(' ').nth(1))
        .collect();
    let excused = |name: &str| NOT_PASSED.iter().any(|(known, _)| *known == name);
    writes()
        .into_iter()
        .filter(|name| !made.contains(&**name) && !excused(name))
        .collect()
}

/// The functions of the SQL store that write, by its sources.
fn writes() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/src/store/sql");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let mut function = "";
        for line in text.lines() {
            if let Some((_, rest)) = line.split_once("fn ") {
                function = rest.split(['(', '<']).next().unwrap_or_default();
            }
            if line.contains("self.write(") {
                found.insert(function.to_owned());
            }
        }
    }
    assert!(found.len() > 30, "{found:?}");
    found
}
