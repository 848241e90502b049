//! F42: the power is cut under load. What a disk would then hold of the store is made from copies of its files, and must open whole
//! with every job that was acknowledged. Shows what SQLite and our use of it make of the log; not that the disk kept what it synced.

use crate::{
    experiment::{Experiment, is_full},
    kills::{caller::Caller, models},
    world::{PATIENCE, World, signal},
};
use serde::Deserialize;
use serde_json::json;
use std::{
    cell::{Cell, RefCell},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const SUBMITTERS: u64 = 16;
/// States made of one copy: as it is, cut, and torn.
const STATES: usize = 3;
const PAUSE_MS_MAX: u64 = 60;
const MAKE_STATES: &str = include_str!("power.py");
/// Of the log's file: its own header, and that of each frame.
const LOG_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;

/// What the index of the log says, which processes share in memory.
#[derive(Debug, PartialEq)]
struct Index {
    page_bytes: u64,
    /// Frames that are committed, and so synced.
    frames: u64,
    salts: [u8; 8],
}

/// A state as it was found when it was opened.
#[derive(Debug, Deserialize)]
struct State {
    whole: bool,
    missing: Vec<String>,
    jobs: u64,
    why: String,
}

impl Index {
    fn read(store: &Path) -> Option<Self> {
        let bytes = fs::read(with(store, "-shm")).ok()?;
        let number = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let size = u16::from_ne_bytes(bytes.get(14..16)?.try_into().ok()?);
        Some(Self {
            page_bytes: if size == 1 { 65_536 } else { u64::from(size) },
            frames: u64::from(number(16)?),
            salts: bytes.get(32..40)?.try_into().ok()?,
        })
    }

    /// Up to where the log of this file was synced. All of it where it is just being begun anew: what it held is in the file then.
    fn synced(&self, log: &[u8]) -> u64 {
        match log.get(16..24) {
            Some(salts) if salts == self.salts => {
                LOG_HEADER_BYTES + self.frames * (FRAME_HEADER_BYTES + self.page_bytes)
            }
            _ => log.len() as u64,
        }
    }
}

fn with(store: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", store.display()))
}

/// What those who submit are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Flows,
    /// While states are opened: that takes the longer, the more the store holds.
    Rests,
    Ends,
}

/// Submits jobs one after the other and notes each that is acknowledged.
async fn submit(caller: &Caller, who: u64, load: &Cell<Load>, told: &RefCell<Vec<String>>) {
    for n in (who * 1_000_000).. {
        while load.get() == Load::Rests {
            tokio::time::sleep(Duration::from_millis(1)).await; // poll
        }
        if load.get() == Load::Ends {
            return;
        }
        let path = "/v1/models/lab/kept/predictions";
        let (status, made) = caller
            .submit(path, &json!({"input": {"n": n}}), &format!("power {n}"))
            .await;
        assert!(matches!(status, 200..=202), "{status} {made}");
        told.borrow_mut()
            .push(made["id"].as_str().unwrap().to_owned());
    }
}

/// Stands all who write still, and waits until they do.
fn freeze(world: &World) -> Vec<u32> {
    let mut writers = world.pids(" task ");
    writers.push(world.server_pid());
    let deadline = Instant::now() + PATIENCE;
    for pid in &writers {
        signal(*pid, "STOP");
        while !stands_still(*pid) {
            assert!(Instant::now() < deadline, "{pid} does not stop");
            std::thread::sleep(Duration::from_millis(1)); // poll
        }
    }
    writers
}

/// Every thread of it is stopped, or it has ended.
fn stands_still(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok())
        .filter_map(|stat| stat.rsplit(") ").next()?.chars().next())
        .all(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
}

/// Copies the files as they are at one moment; answers up to where the log was synced.
fn copy(world: &World, told: &[String], to: &Path) -> u64 {
    let frozen = freeze(world);
    let store = world.data().join("onstage.db");
    let index = Index::read(&store).unwrap();
    let log = fs::read(with(&store, "-wal")).unwrap_or_default();
    fs::copy(&store, to.join("onstage.db")).unwrap();
    for pid in frozen {
        signal(pid, "CONT");
    }
    fs::write(to.join("onstage.db-wal"), &log).unwrap();
    fs::write(to.join("acknowledged"), told.join("\n")).unwrap();
    index.synced(&log)
}

async fn open_states(folder: &Path, synced: u64, seed: u64) -> Vec<State> {
    let mut command = Command::new("python3");
    command.args(["-c", MAKE_STATES]).arg(folder);
    command.args([synced.to_string(), seed.to_string(), STATES.to_string()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn f42_after_a_loss_of_power_the_store_is_whole_and_has_what_was_acknowledged() {
    let mut it = Experiment::new("F42", "the power is cut under load", 350, 8);
    let ledger = tempfile::tempdir().unwrap();
    let notes = ledger.path().join("ledger");
    let world = World::with(&[("LEDGER", notes.to_str().unwrap())]).await;
    for (name, code, toml) in models::all("2s") {
        if name == "kept" {
            world.push(name, &code, &[("onstage.toml", &toml)]).await;
        }
    }
    let made = world.ok_json(&["token", "create", "--name", "power"]).await;
    let caller = Caller::new(&world.url, made["token"].as_str().unwrap());
    let (load, told) = (Cell::new(Load::Flows), RefCell::new(Vec::new()));
    let cuts = async {
        for _ in 0..it.rounds() {
            load.set(Load::Flows);
            let pause = Duration::from_millis(it.random(PAUSE_MS_MAX));
            tokio::time::sleep(pause).await;
            let folder = tempfile::tempdir().unwrap();
            let acknowledged = told.borrow().clone();
            let synced = copy(&world, &acknowledged, folder.path());
            load.set(Load::Rests);
            let seed = it.random(1 << 32);
            for state in open_states(folder.path(), synced, seed).await {
                let kept = state.whole && state.missing.is_empty();
                it.check(kept, || format!("{state:?}, log synced to {synced}"));
                it.counted("states", 1);
                it.measured("jobs_in_the_last", state.jobs);
                it.check(state.why.is_empty(), || state.why.clone());
            }
        }
        load.set(Load::Ends);
        it
    };
    let submitters = (0..SUBMITTERS).map(|who| submit(&caller, who, &load, &told));
    let (_, mut it) = tokio::join!(futures::future::join_all(submitters), cuts);
    it.measured("acknowledged", told.borrow().len());
    it.check(!is_full() || told.borrow().len() > 1_000, || {
        "there was no load".to_owned()
    });
    // What is queued is of no more interest.
    for task in world.pids(" task ") {
        signal(task, "KILL");
    }
    world.close().await;
    it.end();
}
