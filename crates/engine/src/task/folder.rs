//! A folder of one task's part in one run, gone with it.
//! Does not know what lies in it.

use super::desk::Desk;
use onstage_core::{Error, Kind, Result, job::Lease};
use std::path::{Path, PathBuf};

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn of_run(desk: &Desk, lease: &Lease) -> Self {
        let name = format!("job-{}-run-{}-{}", lease.job, lease.run, lease.owner.0);
        Self(desk.settings.tempdir.join(name))
    }

    /// A place in it, which `make` makes room for.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) async fn make(&self) -> Result<()> {
        make(&self.0).await
    }

    /// A new folder inside of it.
    pub(crate) async fn inside(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        make(&path).await?;
        Ok(path)
    }
}

async fn make(path: &Path) -> Result<()> {
    tokio::fs::create_dir_all(path).await.map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::Full,
            _ => Kind::Unavailable,
        };
        let text = format!("`{}` cannot be made", path.display());
        Error::new(kind, text).because(error)
    })
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left-overs are swept with the task's own folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
