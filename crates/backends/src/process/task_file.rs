//! The file that a task is known by: which process it is, in a form that a reused process number cannot fool.
//! Does not start or signal anything.

use super::{child::signal_group, procfs};
use onstage_core::{Error, Id, Result, model::VersionId};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What is in the file once the process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TaskFile {
    pub(super) version: VersionId,
    /// Absent between the claim of the id and the start of the process.
    #[serde(flatten)]
    pub(super) process: Option<Process>,
}

/// A process, as nobody else can be it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
    pub(super) boot_id: String,
}

impl Process {
    pub(super) fn of(pid: u32) -> Self {
        Self {
            pid,
            start_ticks: procfs::stat(pid).map_or(0, |stat| stat.start_ticks),
            boot_id: procfs::boot_id(),
        }
    }

    /// Whether this very process still runs; one that has ended but was not reaped does not.
    pub(super) fn is_alive(&self) -> bool {
        self.boot_id == procfs::boot_id()
            && procfs::stat(self.pid).is_some_and(|stat| {
                stat.start_ticks == self.start_ticks && !matches!(stat.state, 'Z' | 'X')
            })
    }
}

impl Process {
    /// Ends what is left of the group of a process that has ended. A group's number is not given to a new process while the group has
    /// members; when the number belongs to somebody else by now, the group was empty, and nobody is touched.
    pub(super) fn end_leftovers(&self) {
        let reused =
            procfs::stat(self.pid).is_some_and(|stat| stat.start_ticks != self.start_ticks);
        if self.boot_id == procfs::boot_id() && !reused {
            signal_group(self.pid, Signal::KILL);
        }
    }
}

/// A claimed id; the lock is held until the process runs.
pub(super) struct Claim {
    file: File,
    path: PathBuf,
}

pub(super) fn path(dir: &Path, id: &Id) -> PathBuf {
    dir.join(format!("{id}.json"))
}

/// Claims an id: of several that try, one gets it, the others get none.
pub(super) fn claim(dir: &Path, id: &Id, version: &VersionId) -> Result<Option<Claim>> {
    let path = path(dir, id);
    let failed =
        |error| Error::unavailable(format!("task `{id}` cannot be recorded")).because(error);
    let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut claim = Claim { file, path };
    let written = claim.file.lock().and_then(|()| {
        claim.write(&TaskFile {
            version: version.clone(),
            process: None,
        })
    });
    match written {
        Ok(()) => Ok(Some(claim)),
        Err(error) => {
            claim.withdraw();
            Err(failed(error))
        }
    }
}

impl Claim {
    pub(super) fn started(mut self, version: &VersionId, process: Process) -> io::Result<()> {
        self.write(&TaskFile {
            version: version.clone(),
            process: Some(process),
        })
    }

    pub(super) fn withdraw(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Overwrites in place, so that the lock stays on the file that everybody sees; what is written only grows.
    fn write(&mut self, task: &TaskFile) -> io::Result<()> {
        use std::io::Seek;
        self.file.rewind()?;
        self.file.write_all(&serde_json::to_vec(task)?)?;
        self.file.sync_all()
    }
}

/// What a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Somebody is starting it right now.
    Starting(Option<VersionId>),
    Process(VersionId, Process),
    /// Whoever claimed it died before the process ran.
    NeverStarted(Option<VersionId>),
    Gone,
}

pub(super) fn read(path: &Path) -> Found {
    let Ok(file) = File::open(path) else {
        return Found::Gone;
    };
    // The lock is asked before the text is read: a free lock means that the text is final.
    let starting = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let task: Option<TaskFile> = fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match task {
        Some(TaskFile {
            version,
            process: Some(process),
        }) => Found::Process(version, process),
        Some(task) if starting => Found::Starting(Some(task.version)),
        None if starting => Found::Starting(None),
        Some(task) => Found::NeverStarted(Some(task.version)),
        None => Found::NeverStarted(None),
    }
}
