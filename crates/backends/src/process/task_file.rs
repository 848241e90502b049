//! The file that a task is known by: its errand, and which process it is.
//! Does not start or signal anything.

use super::identity::Process;
use onstage_core::{Error, Id, Result, gpu::GpuShare, model::VersionId, task::Lane};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// How the names of files begin that are about to become a task's.
const CLAIMING: &str = ".claiming-";

/// What is in the file once the process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TaskFile {
    #[serde(flatten)]
    pub(super) errand: Errand,
    /// Absent between the claim of the id and the start of the process.
    #[serde(flatten)]
    pub(super) process: Option<Process>,
}

/// What a task drains, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) version: VersionId,
    /// Files of earlier versions do not have it.
    #[serde(default)]
    pub(super) lane: Lane,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gpus: Option<GpuShare>,
}

impl Errand {
    /// Of a file that cannot be read.
    pub(super) fn unknown() -> Self {
        Self {
            version: VersionId(String::new()),
            lane: Lane::default(),
            gpus: None,
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
/// The file is written and locked under another name and then given its own: whoever finds it never sees it empty or free.
pub(super) fn claim(dir: &Path, id: &Id, errand: &Errand) -> Result<Option<Claim>> {
    let failed =
        |error| Error::unavailable(format!("task `{id}` cannot be recorded")).because(error);
    let task = TaskFile {
        errand: errand.clone(),
        process: None,
    };
    let path = path(dir, id);
    let fresh = written(dir, &task).map_err(failed)?;
    match fresh.persist_noclobber(&path) {
        Ok(file) => Ok(Some(Claim { file, path })),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(refused) => Err(failed(refused.error)),
    }
}

/// A new file that we hold locked.
fn written(dir: &Path, task: &TaskFile) -> io::Result<NamedTempFile> {
    let mut fresh = tempfile::Builder::new().prefix(CLAIMING).tempfile_in(dir)?;
    fresh.as_file().lock()?;
    fresh.write_all(&serde_json::to_vec(task)?)?;
    fresh.as_file().sync_all()?;
    Ok(fresh)
}

/// Removes what claims left behind whose process was killed in the middle.
pub(super) fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let claiming = entry.file_name().to_string_lossy().starts_with(CLAIMING);
        if claiming && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Claim {
    pub(super) fn started(mut self, errand: &Errand, process: Process) -> io::Result<()> {
        self.write(&TaskFile {
            errand: errand.clone(),
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
    Starting(Option<Errand>),
    Process(Errand, Process),
    /// Whoever claimed it died before the process ran.
    NeverStarted(Option<Errand>),
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
            errand,
            process: Some(process),
        }) => Found::Process(errand, process),
        Some(task) if starting => Found::Starting(Some(task.errand)),
        None if starting => Found::Starting(None),
        Some(task) => Found::NeverStarted(Some(task.errand)),
        None => Found::NeverStarted(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const CLAIMS: u32 = 300;

    #[test]
    fn a_claim_is_never_seen_half_made() {
        let dir = tempfile::tempdir().unwrap();
        let errand = Errand {
            version: VersionId("v1".to_owned()),
            ..Errand::unknown()
        };
        let id = |n: u32| format!("task-{n:04}").parse::<Id>().unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 0;
                while !over.load(Ordering::Relaxed) && n < CLAIMS {
                    match read(&path(dir.path(), &id(n))) {
                        Found::Gone => {}
                        Found::Starting(Some(_)) => n += 1,
                        found => panic!("{found:?}"),
                    }
                }
            });
            let claim = |n| claim(dir.path(), &id(n), &errand).unwrap().unwrap();
            let held: Vec<Claim> = (0..CLAIMS).map(claim).collect();
            assert!(super::claim(dir.path(), &id(0), &errand).unwrap().is_none());
            over.store(true, Ordering::Relaxed);
            drop(held);
        });
        fs::write(dir.path().join(".claiming-dead"), "").unwrap();
        sweep(dir.path());
        let files = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(files, CLAIMS as usize, "nothing else is left");
    }
}
