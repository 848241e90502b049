//! A running worker: its end, its signals, its memory. Dropped, it takes its whole process group along.
//! Does not speak the worker protocol.

use super::{
    adopted::Adopted,
    child::signal_group,
    control_groups::{ControlGroup, Memory},
    groups,
    kernel_kills::Watch,
    owned_dir::OwnedDir,
    place::TempFolder,
    procfs,
    spawner::Spawner,
    strays,
};
use crate::spawn::spawn;
use async_trait::async_trait;
use onstage_core::ports::{Attached, Exit, WorkerProcess};
use rustix::process::Signal;
use std::{any::Any, io, os::unix::process::ExitStatusExt, process::ExitStatus, sync::Arc};
use tokio::{process::Child, runtime::Handle};

const SIGKILL: i32 = 9;

/// The process itself, by how it came to be our child.
#[derive(Debug)]
pub(super) enum Process {
    Started(Child),
    /// Forked from a template.
    Forked(Adopted),
}

impl Process {
    /// Waits for its end. Safe to drop and call again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Started(child) => child.wait().await,
            Self::Forked(adopted) => adopted.wait().await,
        }
    }
}

/// A started worker.
#[derive(Debug)]
pub(super) struct Worker {
    process: Process,
    /// The leader's process id is the group's.
    group: u32,
    ended: Option<Exit>,
    attached: Option<Attached>,
    kills: Watch,
    killed_by_us: std::sync::atomic::AtomicBool,
    limits: Option<ControlGroup>,
    environment_sha256: Option<String>,
    /// Crossed out after the group was killed.
    record: Option<groups::Record>,
    /// While a child lives, so must the thread that forked it; and the folders it was given.
    _spawner: Arc<Spawner>,
    _folders: Vec<Arc<OwnedDir>>,
    /// What must last as long as the worker: its temporary folder, and what its template is counted by.
    kept: Vec<Arc<dyn Any + Send + Sync>>,
}

impl Worker {
    /// `group` is the process's id as well.
    pub(super) fn new(process: Process, group: u32, spawner: Arc<Spawner>, kills: Watch) -> Self {
        Self {
            group,
            process,
            ended: None,
            attached: None,
            kills,
            killed_by_us: false.into(),
            limits: None,
            environment_sha256: None,
            record: None,
            _spawner: spawner,
            _folders: Vec::new(),
            kept: Vec::new(),
        }
    }

    pub(super) fn connected(mut self, attached: Attached) -> Self {
        self.attached = Some(attached);
        self
    }

    /// Notes the group beside the worker's temporary folder, for whoever sweeps there after we were killed.
    pub(super) fn write_down(&mut self, temp: &TempFolder) {
        if let (Some(folder), Some(name)) = (temp.path().parent(), temp.path().file_name()) {
            let name = name.to_string_lossy();
            self.record = Some(groups::record(folder, &name, self.group));
        }
    }

    /// Bounds what it and its children may have.
    pub(super) fn bind(&mut self, limits: ControlGroup) -> io::Result<()> {
        limits.add(self.group)?;
        self.limits = Some(limits);
        Ok(())
    }

    /// Where a group bounds its memory.
    fn memory(&self) -> Option<&Memory> {
        self.limits.as_ref().and_then(ControlGroup::memory)
    }

    pub(super) fn runs_in(&mut self, environment_sha256: Option<String>) {
        self.environment_sha256 = environment_sha256;
    }

    pub(super) fn keep(&mut self, it: Arc<dyn Any + Send + Sync>) {
        self.kept.push(it);
    }

    pub(super) fn keeping(mut self, sockets: Arc<OwnedDir>, scratch: Arc<OwnedDir>) -> Self {
        self._folders = vec![sockets, scratch];
        self
    }

    pub(super) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    pub(super) fn group(&self) -> u32 {
        self.group
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Also after the leader's end: its children may still hold memory and devices. A group's number is not reused while it has members.
        signal_group(self.group, Signal::KILL);
        drop(self.record.take());
    }
}

#[async_trait]
impl WorkerProcess for Worker {
    fn pid(&self) -> u32 {
        self.group
    }

    fn attach(&mut self) -> Option<Attached> {
        self.attached.take()
    }

    async fn wait(&mut self) -> Exit {
        if let Some(exit) = &self.ended {
            return exit.clone();
        }
        let exit = match self.process.wait().await {
            Ok(status) => {
                let by_us = self.killed_by_us.load(std::sync::atomic::Ordering::Relaxed);
                match self.memory() {
                    _ if by_us => plain_exit(status),
                    // Its own group knows better than our guess.
                    Some(memory) => exit_in_group(status, memory),
                    None => exit_of(status, self.kills),
                }
            }
            // Only when somebody else reaped our child, which leaves no way to know.
            Err(_) => Exit::Code(-1),
        };
        signal_group(self.group, Signal::KILL);
        if Handle::try_current().is_ok() {
            spawn("reaping of a group", strays::reap_group(self.group));
        }
        self.ended = Some(exit.clone());
        exit
    }

    fn terminate(&self) {
        if self.ended.is_none() {
            signal_group(self.group, Signal::TERM);
        }
    }

    fn kill(&self) {
        if self.ended.is_none() {
            self.killed_by_us
                .store(true, std::sync::atomic::Ordering::Relaxed);
            signal_group(self.group, Signal::KILL);
        }
    }

    fn environment_sha256(&self) -> Option<&str> {
        self.environment_sha256.as_deref()
    }

    fn memory_bytes(&self) -> Option<u64> {
        if self.ended.is_some() {
            return None;
        }
        if let Some(memory) = self.memory() {
            memory.look();
        }
        procfs::group_memory_bytes(self.group)
    }
}

/// How a process ended. A SIGKILL counts as out of memory only when the kernel's own counter rose meanwhile.
pub(super) fn exit_of(status: ExitStatus, kills: Watch) -> Exit {
    match plain_exit(status) {
        Exit::Signal(SIGKILL) if kills.grew() => Exit::OutOfMemory { peak_bytes: None },
        exit => exit,
    }
}

/// Also a worker that only lost a child for memory, and ended over it, has run out of it; not one that lost it long ago.
fn exit_in_group(status: ExitStatus, memory: &Memory) -> Exit {
    match plain_exit(status) {
        Exit::Code(0) => Exit::Code(0),
        Exit::Signal(SIGKILL) if memory.was_hit() => out_of(memory),
        _ if memory.was_hit_lately() => out_of(memory),
        exit => exit,
    }
}

fn out_of(memory: &Memory) -> Exit {
    Exit::OutOfMemory {
        peak_bytes: memory.peak_bytes(),
    }
}

fn plain_exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(number)) => Exit::Signal(number),
        (None, None) => Exit::Code(-1),
    }
}
