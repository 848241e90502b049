//! The process groups of workers, written down in their owner's folder: whoever sweeps the folder of an owner that was killed ends them.
//! A worker dies with its owner by the kernel; this is for what the worker itself has started.

use super::identity::Process;
use std::{
    fs,
    path::{Path, PathBuf},
};

const ENDING: &str = "group";

/// A group that is written down; crossed out when dropped.
#[derive(Debug)]
pub(super) struct Record(PathBuf);

/// Writes the group of a worker down. Without room on the disk, only its left-overs after a kill of ours are lost sight of.
pub(super) fn record(folder: &Path, name: &str, leader: u32) -> Record {
    let path = folder.join(format!("{name}.{ENDING}"));
    let text = serde_json::to_vec(&Process::of(leader)).unwrap_or_default();
    if let Err(error) = fs::write(&path, text) {
        tracing::warn!(%error, leader, "the process group of a worker could not be written down");
    }
    Record(path)
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Ends every group that is written down in the folder of an owner who is gone.
pub(super) fn end_all(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == ENDING)
            && let Ok(text) = fs::read(&path)
            && let Ok(process) = serde_json::from_slice::<Process>(&text)
        {
            process.end_leftovers();
        }
    }
}
