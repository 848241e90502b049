//! One group's folder, which can only be removed when its processes are gone.
//! Does not know what it bounds.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// The file that kills all that is in it, where there is one.
    kill: Option<&'static str>,
    left: Left,
}

/// Groups whose processes were still ending when they were let go.
#[derive(Debug, Clone, Default)]
pub(super) struct Left(Arc<Mutex<Vec<PathBuf>>>);

impl Folder {
    pub(super) fn make(path: PathBuf, kill: Option<&'static str>, left: &Left) -> io::Result<Self> {
        fs::create_dir(&path)?;
        Ok(Self {
            path,
            kill,
            left: left.clone(),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Also what has left the worker's process group.
        if let Some(kill) = self.kill {
            let _ = fs::write(self.path.join(kill), "1");
        }
        // While the last of it are being killed the kernel refuses; then it goes when the next one is made.
        if fs::remove_dir(&self.path).is_err() {
            self.left.paths().push(std::mem::take(&mut self.path));
        }
    }
}

impl Left {
    pub(super) fn remove(&self) {
        self.paths()
            .retain(|path| fs::remove_dir(path).is_err() && path.exists());
    }

    fn paths(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
