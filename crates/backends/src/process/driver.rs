//! Starts tasks as processes that outlive the front, and knows them again after its restart.
//! Does not know what tasks do; truth is in the task files and in /proc.

use super::{
    SCRATCH,
    child::{Confinement, confine, signal_group},
    identity::Process,
    kernel_kills::Watch,
    owned_dir,
    task_file::{self, Errand, Found},
};
use crate::{
    clock::SystemClock,
    fail::{self, Moment},
};
use async_trait::async_trait;
use onstage_core::{
    Clock, Error, Id, Result,
    gpu::GpuShare,
    ports::{Capabilities, Driver, RunState, Running, TaskSpec},
};
use rustix::process::Signal;
use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

/// How long an ended task is still reported.
const ENDED_KEPT_SECONDS: u64 = 600;
/// Output files of ended tasks that are kept for looking at.
const LOGS_KEPT_MAX: usize = 200;
const LOOK_AGAIN_MS: u64 = 50;
const SIGKILL: i32 = 9;
/// Of tasks, whose workers have more: the front answers people, and a task's own beats come before what it computes.
const TASK_NICENESS: i32 = 5;
/// After a SIGKILL, until the kernel has ended the process; one that waits for a disk takes longer, and `list` still tells.
const KILL_SECONDS_MAX: u64 = 5;

/// The driver of tasks on this host.
#[derive(Debug)]
pub struct ProcessDriver {
    dir: PathBuf,
    /// Where launchers, those of tasks too, have their folders.
    scratch: PathBuf,
    program: PathBuf,
    args_prefix: Vec<OsString>,
    clock: SystemClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Tasks that this process started: it must reap them, and only it can tell how they ended.
    children: HashMap<Id, (Child, Watch)>,
    ended: HashMap<Id, Ended>,
}

#[derive(Debug, Clone)]
struct Ended {
    errand: Errand,
    how: String,
    seen_at: Duration,
}

impl ProcessDriver {
    /// Tasks run `program` with `args_prefix`, then `--id ID --version VERSION --lane LANE --stop-after N` (seconds); they inherit this
    /// process's environment, but for the GPUs that are theirs. Their files are in `<data>/tasks`. Errors: unavailable.
    pub fn new(data_dir: &Path, program: PathBuf, args_prefix: Vec<OsString>) -> Result<Self> {
        let dir = data_dir.join("tasks");
        fs::create_dir_all(&dir).map_err(|error| {
            Error::unavailable(format!("folder `{}` cannot be made", dir.display())).because(error)
        })?;
        task_file::sweep(&dir);
        Ok(Self {
            scratch: data_dir.join(SCRATCH),
            dir,
            program,
            args_prefix,
            clock: SystemClock::new(),
            state: Arc::default(),
        })
    }

    fn command(&self, spec: &TaskSpec) -> std::io::Result<Command> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join(format!("{}.log", spec.id)))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args_prefix)
            .args(["--id", spec.id.as_str()])
            .args(["--version", &spec.version.0])
            .args(["--lane", spec.lane.name()])
            .args([
                "--stop-after",
                &spec.stop_after.as_secs().max(1).to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(gpus) = &spec.gpus {
            command.env(GpuShare::VARIABLE, gpus.visible());
        }
        // Its own session and no parent-death signal: the task goes on when the front is restarted or dies.
        confine(
            &mut command,
            Confinement {
                niceness: TASK_NICENESS,
                ..Confinement::default()
            },
        );
        Ok(command)
    }

    fn start_blocking(&self, spec: &TaskSpec) -> Result<()> {
        let errand = Errand {
            version: spec.version.clone(),
            lane: spec.lane,
            gpus: spec.gpus.clone(),
        };
        let Some(claim) = task_file::claim(&self.dir, &spec.id, &errand)? else {
            return Ok(());
        };
        let kills = Watch::start();
        let spawned = self.command(spec).and_then(|mut command| {
            super::child::close_others_on_exec();
            command.spawn()
        });
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                claim.withdraw();
                return Err(
                    Error::unavailable(format!("task `{}` could not start", spec.id))
                        .because(error),
                );
            }
        };
        let pid = child.id();
        self.lock().children.insert(spec.id.clone(), (child, kills));
        fail::at("record_task", Moment::Before);
        claim.started(&errand, Process::of(pid)).map_err(|error| {
            // A task that nobody can find again must not run.
            signal_group(pid, Signal::KILL);
            Error::unavailable(format!("task `{}` cannot be recorded", spec.id)).because(error)
        })?;
        fail::at("record_task", Moment::After);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn look_at(&self, id: &Id, found: Found) -> Option<Running> {
        let running = |errand: Errand, state| {
            Some(Running {
                id: id.clone(),
                version: errand.version,
                lane: errand.lane,
                gpus: errand.gpus,
                state,
            })
        };
        if let Some(ended) = self.lock().ended.get(id) {
            return running(ended.errand.clone(), RunState::Ended(ended.how.clone()));
        }
        match found {
            Found::Gone => None,
            Found::Starting(errand) => {
                running(errand.unwrap_or_else(Errand::unknown), RunState::Alive)
            }
            Found::NeverStarted(errand) => {
                let errand = errand.unwrap_or_else(Errand::unknown);
                let how = "was never started".to_owned();
                let how = self.remember(&mut self.lock(), id, &errand, how);
                running(errand, RunState::Ended(how))
            }
            Found::Process(errand, process) => match self.end_of(id, &errand, &process) {
                None => running(errand, RunState::Alive),
                Some(how) => {
                    // Its workers are in sessions of their own and die by the kernel; this is for what it and they started besides.
                    process.end_leftovers();
                    owned_dir::sweep(&self.scratch);
                    running(errand, RunState::Ended(how))
                }
            },
        }
    }

    /// How the process ended, if it did. Of several who look at once, the one who buries it knows, and tells the others.
    fn end_of(&self, id: &Id, errand: &Errand, process: &Process) -> Option<String> {
        let mut state = self.lock();
        if let Some(ended) = state.ended.get(id) {
            return Some(ended.how.clone());
        }
        let how = match state.children.get_mut(id) {
            Some((child, kills)) => match child.try_wait() {
                Ok(None) => return None,
                Ok(Some(status)) => describe(status, || kills.grew()),
                Err(_) => "is gone".to_owned(),
            },
            None if process.is_alive() => return None,
            None => "is gone".to_owned(),
        };
        state.children.remove(id);
        Some(self.remember(&mut state, id, errand, how))
    }

    fn remember(&self, state: &mut State, id: &Id, errand: &Errand, how: String) -> String {
        let ended = Ended {
            errand: errand.clone(),
            how: how.clone(),
            seen_at: self.clock.monotonic(),
        };
        state.ended.insert(id.clone(), ended);
        how
    }

    fn list_blocking(&self) -> Result<Vec<Running>> {
        let mut all = Vec::new();
        for id in self.ids()? {
            all.extend(self.look_at(&id, task_file::read(&task_file::path(&self.dir, &id))));
        }
        self.forget_old();
        Ok(all)
    }

    fn ids(&self) -> Result<Vec<Id>> {
        let entries = fs::read_dir(&self.dir)
            .map_err(|error| Error::unavailable("tasks cannot be listed").because(error))?;
        let mut ids: Vec<Id> = entries
            .flatten()
            .filter_map(|entry| {
                entry
                    .file_name()
                    .to_str()?
                    .strip_suffix(".json")?
                    .parse()
                    .ok()
            })
            .collect();
        ids.sort();
        Ok(ids)
    }

    fn forget_old(&self) {
        let now = self.clock.monotonic();
        let kept = Duration::from_secs(ENDED_KEPT_SECONDS);
        let mut state = self.lock();
        let old: Vec<Id> = state
            .ended
            .iter()
            .filter(|(_, ended)| now.saturating_sub(ended.seen_at) > kept)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &old {
            let _ = fs::remove_file(task_file::path(&self.dir, id));
            state.ended.remove(id);
        }
        drop(state);
        if !old.is_empty() {
            prune_logs(&self.dir);
        }
    }

    fn is_alive(&self, id: &Id) -> Option<Process> {
        let found = task_file::read(&task_file::path(&self.dir, id));
        let process = match &found {
            Found::Process(_, process) => process.clone(),
            _ => return None,
        };
        let running = self.look_at(id, found)?;
        (running.state == RunState::Alive).then_some(process)
    }

    /// Whether the task ended within `time_max`.
    async fn ends_within(&self, id: &Id, time_max: Duration) -> bool {
        let look = async {
            while self.is_alive(id).is_some() {
                tokio::time::sleep(Duration::from_millis(LOOK_AGAIN_MS)).await;
            }
        };
        tokio::time::timeout(time_max, look).await.is_ok()
    }
}

#[async_trait]
impl Driver for ProcessDriver {
    async fn start(&self, spec: &TaskSpec) -> Result<()> {
        // Some milliseconds of disk and fork: not worth a thread.
        self.start_blocking(spec)
    }

    async fn stop(&self, id: &Id, grace: Duration) -> Result<()> {
        let Some(process) = self.is_alive(id) else {
            return Ok(());
        };
        signal_group(process.pid, Signal::TERM);
        if self.ends_within(id, grace).await {
            return Ok(());
        }
        if process.is_alive() {
            signal_group(process.pid, Signal::KILL);
        }
        if self
            .ends_within(id, Duration::from_secs(KILL_SECONDS_MAX))
            .await
        {
            return Ok(());
        }
        Err(
            Error::timeout(format!("task `{id}` does not end, even killed"))
                .hint("it may wait for a disk that does not answer"),
        )
    }

    async fn list(&self) -> Result<Vec<Running>> {
        self.list_blocking()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { sees_deaths: true }
    }
}

/// The reaper looks for "memory" in it.
fn describe(status: ExitStatus, kernel_killed: impl FnOnce() -> bool) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(SIGKILL)) if kernel_killed() => {
            "killed by the kernel, as the machine ran out of memory".to_owned()
        }
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "is gone".to_owned(),
    }
}

fn prune_logs(dir: &Path) {
    let mut logs: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .filter(|path| !path.with_extension("json").exists())
        .collect();
    // Ids sort by the time they were made.
    logs.sort();
    let extra = logs.len().saturating_sub(LOGS_KEPT_MAX);
    for log in &logs[..extra] {
        let _ = fs::remove_file(log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_by_the_kernel_is_told_as_one_for_memory() {
        let killed = ExitStatus::from_raw(SIGKILL);
        assert!(describe(killed, || true).contains("memory"));
        assert_eq!(describe(killed, || false), "killed by signal 9");
        assert_eq!(describe(ExitStatus::from_raw(0), || true), "exit code 0");
    }
}
