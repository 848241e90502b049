//! The server that is killed: its models, its ledger, its processes by role, and what it leaves when it is stopped.
//! Decides nothing about when.

use super::{
    caller::Caller,
    judge::{Record, Told},
    models::{self, Note},
};
use crate::world::{World, signal};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

/// Requests under way while the store is filled.
const FILLERS: u64 = 32;
const READ_RECORD: &str = include_str!("record.py");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Front,
    Task,
    Worker,
}

/// Seconds since the epoch, as the ledger has them.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) caller: Caller,
    ledger: PathBuf,
    notes: tempfile::TempDir,
    /// The version that trains.
    pub(crate) trainer: String,
}

impl Stage {
    /// A server with the models of the kill loop, at an address that outlives it.
    pub(crate) async fn open(linger: &str) -> Self {
        Self::open_after(linger, |_| ()).await
    }

    /// The same; `prepare` finds the server standing still.
    pub(crate) async fn open_after(linger: &str, prepare: impl FnOnce(&World)) -> Self {
        let notes = tempfile::tempdir().unwrap();
        let ledger = notes.path().join("ledger");
        let variables = [
            ("LEDGER", ledger.to_str().unwrap()),
            ("ONSTAGE_FAIL", notes.path().to_str().unwrap()),
        ];
        let mut world = World::with(&variables).await;
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        world.socket = Some(socket);
        world.kill_server();
        prepare(&world);
        world.serve().await;
        let made = world.ok_json(&["token", "create", "--name", "kills"]).await;
        let caller = Caller::new(&url, made["token"].as_str().unwrap());
        for (name, code, toml) in models::all(linger) {
            world.push(name, &code, &[("onstage.toml", &toml)]).await;
        }
        let (_, versions) = caller.get("/v1/models/lab/count/versions").await;
        let trainer = versions["results"][0]["id"].as_str().unwrap().to_owned();
        Self {
            world,
            caller,
            ledger,
            notes,
            trainer,
        }
    }

    /// Has so many jobs done, for a store that is not empty.
    pub(crate) async fn fill(&self, jobs: u64) -> Vec<Told> {
        let filler = |first: u64| {
            let caller = &self.caller;
            async move {
                let mut told = Vec::new();
                for n in (first..jobs).step_by(FILLERS as usize) {
                    let n = 1_000_000_000 + n;
                    let body = json!({"input": {"n": n}});
                    let path = "/v1/models/lab/kept/predictions";
                    let (status, made) = caller.submit(path, &body, &format!("fill {n}")).await;
                    assert!(matches!(status, 201 | 202), "{made}");
                    told.push(Told {
                        id: made["id"].as_str().unwrap().to_owned(),
                        kind: "prediction",
                        n,
                        ..Told::default()
                    });
                }
                told
            }
        };
        let told = futures::future::join_all((0..FILLERS).map(filler)).await;
        let told = told.concat();
        for one in told.iter().rev().take(FILLERS as usize) {
            self.world
                .finished(&format!("/v1/predictions/{}", one.id))
                .await;
        }
        told
    }

    pub(crate) fn ledger(&self) -> Vec<Note> {
        models::ledger(&self.ledger)
    }

    /// Where fail points look.
    pub(crate) fn notes(&self) -> &Path {
        self.notes.path()
    }

    /// The living processes of a role; of tasks with their command lines, which name their versions.
    pub(crate) fn processes(&self, role: Role) -> Vec<(u32, String)> {
        let word = match role {
            Role::Front => return vec![(self.world.server_pid(), String::new())],
            Role::Task => " task ",
            Role::Worker => "onstage.worker",
        };
        let mut all = self.world.processes();
        all.retain(|(pid, line)| line.contains(word) && !is_zombie(*pid));
        all
    }

    /// The workers of a task.
    pub(crate) fn workers_of(&self, task: u32) -> Vec<u32> {
        let workers = self.processes(Role::Worker).into_iter();
        let workers = workers.map(|(pid, _)| pid);
        workers.filter(|pid| descends(*pid, task)).collect()
    }

    pub(crate) fn kill(&self, pid: u32) {
        signal(pid, "KILL");
    }

    /// Starts the front that was killed anew; answers how long it took.
    pub(crate) async fn revive(&mut self) -> Duration {
        let began = Instant::now();
        // It is dead already; this buries it. And it may be one of those that die at their start.
        self.world.kill_server();
        while self.world.try_serve().await.is_err() {}
        began.elapsed()
    }

    /// True when the front died, by itself or by somebody.
    pub(crate) fn front_died(&mut self) -> bool {
        let server = self.world.server.as_mut().unwrap();
        server.try_wait().unwrap().is_some()
    }

    /// A request of every kind, after all faults.
    pub(crate) async fn try_all(&self, times: u64) -> Vec<(u16, Value)> {
        let mut bad = Vec::new();
        for n in 0..times {
            let (status, made) = self.world.predict("quick", json!({"x": n})).await;
            if status != 201 || made["output"] != n {
                bad.push((status, made));
            }
        }
        bad
    }

    /// Stops the server as a person would, and reads what it has left.
    pub(crate) async fn close(mut self) -> Record {
        self.world.stop().await;
        left_in(&self.world.data())
    }
}

/// What a data folder holds that no server has.
pub(crate) fn left_in(data: &Path) -> Record {
    let mut read = Command::new("python3");
    let read = read.args(["-c", READ_RECORD]).arg(data).output().unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    serde_json::from_slice(&read.stdout).unwrap()
}

fn descends(mut pid: u32, from: u32) -> bool {
    while pid > 1 && pid != from {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let parent = rest.split_whitespace().nth(1);
        pid = parent.and_then(|pid| pid.parse().ok()).unwrap_or(0);
    }
    pid == from
}

fn is_zombie(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_none_or(|rest| rest.trim_start().starts_with('Z'))
}
