//! A file to send, or a folder that goes as a tar.
//! Does not send it.

use super::bars::Bar;
use onstage_backends::archive;
use onstage_core::{Error, Result};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// The file to send; of a folder, its archive, which is removed when dropped.
pub(super) struct Packed {
    given: PathBuf,
    packed: Option<TempPath>,
    /// What it is called where it goes.
    pub(super) name: String,
}

impl Packed {
    pub(super) async fn of(given: &Path) -> Result<Self> {
        let cannot = |error: std::io::Error| {
            Error::invalid(format!("`{}` cannot be read", given.display())).because(error)
        };
        let is_folder = std::fs::metadata(given).map_err(cannot)?.is_dir();
        let whole = given.canonicalize().map_err(cannot)?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        if !is_folder {
            return Ok(Self {
                given: given.to_owned(),
                packed: None,
                name: name.into_owned(),
            });
        }
        let mut bar = Bar::spinner();
        bar.text("packing the folder");
        let folder = given.to_owned();
        let packing = tokio::task::spawn_blocking(move || {
            let file = tempfile::NamedTempFile::new().map_err(|error| {
                Error::unavailable("the temporary folder cannot be written").because(error)
            })?;
            let handle = file.reopen().map_err(|error| {
                Error::unavailable("the temporary folder cannot be written").because(error)
            })?;
            archive::pack(&folder, handle)?;
            Ok(file.into_temp_path())
        });
        let packed = packing.await;
        bar.end();
        let packed: Result<TempPath> =
            packed.map_err(|error| Error::internal("packing broke off").because(error))?;
        Ok(Self {
            given: given.to_owned(),
            packed: Some(packed?),
            name: format!("{name}.tar"),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.packed.as_deref().unwrap_or(&self.given)
    }
}
