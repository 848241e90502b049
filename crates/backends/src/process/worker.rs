//! A running worker: its end, its signals, its memory. Dropped, it takes its whole process group along.
//! Does not speak the worker protocol.

use super::{
    child::signal_group, groups, kernel_kills::Watch, owned_dir::OwnedDir, procfs, spawner::Spawner,
};
use async_trait::async_trait;
use onstage_core::ports::{Attached, Exit, WorkerProcess};
use rustix::process::Signal;
use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
};
use tokio::process::Child;

const SIGKILL: i32 = 9;

/// A started worker.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    /// The leader's process id is the group's.
    group: u32,
    ended: Option<Exit>,
    attached: Option<Attached>,
    kills: Watch,
    killed_by_us: std::sync::atomic::AtomicBool,
    temp: Option<PathBuf>,
    /// Crossed out after the group was killed.
    record: Option<groups::Record>,
    /// While a child lives, so must the thread that forked it; and the folders it was given.
    _spawner: Arc<Spawner>,
    _folders: Vec<Arc<OwnedDir>>,
}

impl Worker {
    pub(super) fn new(child: Child, spawner: Arc<Spawner>, kills: Watch) -> Self {
        Self {
            group: child.id().unwrap_or(0),
            child,
            ended: None,
            attached: None,
            kills,
            killed_by_us: false.into(),
            temp: None,
            record: None,
            _spawner: spawner,
            _folders: Vec::new(),
        }
    }

    pub(super) fn connected(mut self, attached: Attached, temp: PathBuf) -> Self {
        self.attached = Some(attached);
        self.temp = Some(temp);
        self
    }

    /// Notes the group beside the worker's temporary folder, for whoever sweeps there after we were killed.
    pub(super) fn write_down(&mut self, temp: &Path) {
        if let (Some(folder), Some(name)) = (temp.parent(), temp.file_name()) {
            let name = name.to_string_lossy();
            self.record = Some(groups::record(folder, &name, self.group));
        }
    }

    pub(super) fn keeping(mut self, sockets: Arc<OwnedDir>, scratch: Arc<OwnedDir>) -> Self {
        self._folders = vec![sockets, scratch];
        self
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
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
        if let Some(temp) = self.temp.take() {
            let _ = fs::remove_dir_all(temp);
        }
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
        let exit = match self.child.wait().await {
            Ok(status) => {
                let mut exit = exit_of(status, self.kills);
                if self.killed_by_us.load(std::sync::atomic::Ordering::Relaxed)
                    && let Exit::Signal { out_of_memory, .. } = &mut exit
                {
                    *out_of_memory = false;
                }
                exit
            }
            // Only when somebody else reaped our child, which leaves no way to know.
            Err(_) => Exit::Code(-1),
        };
        signal_group(self.group, Signal::KILL);
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

    fn memory_bytes(&self) -> Option<u64> {
        if self.ended.is_some() {
            return None;
        }
        procfs::group_memory_bytes(self.group)
    }
}

/// How a process ended. A SIGKILL counts as out of memory only when the kernel's own counter rose meanwhile.
pub(super) fn exit_of(status: ExitStatus, kills: Watch) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(number)) => Exit::Signal {
            number,
            out_of_memory: number == SIGKILL && kills.grew(),
        },
        (None, None) => Exit::Code(-1),
    }
}
