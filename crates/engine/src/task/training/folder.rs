//! A folder of one run alone, gone with it.
//! Does not know what lies in it.

use onstage_core::{Error, Kind, Result, job::Lease};
use std::path::{Path, PathBuf};

pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn of_run(tempdir: &Path, lease: &Lease) -> Self {
        Self(tempdir.join(format!("job-{}-run-{}", lease.job, lease.run)))
    }

    /// A new folder inside of it.
    pub(super) async fn inside(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        let made = tokio::fs::create_dir_all(&path).await;
        made.map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::StorageFull => Kind::Full,
                _ => Kind::Unavailable,
            };
            let text = format!("`{}` cannot be made", path.display());
            Error::new(kind, text).because(error)
        })?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left-overs are swept with the task's own folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
