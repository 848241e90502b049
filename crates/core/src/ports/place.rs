//! Datasets on this host: where user code can read them as files.
//! Does not know who reads them.

use crate::{Result, dataset::Content};
use async_trait::async_trait;
use std::{any::Any, fmt, path::PathBuf};

/// Puts datasets onto this host, each once.
#[async_trait]
pub trait DatasetPlace: Send + Sync + 'static {
    /// Fetches it unless it is here already; many may ask at once, also from other processes of this host.
    /// Errors: invalid, when it is an archive that must not be unpacked; not found, unavailable and full, of the blobs and the disk.
    async fn place(&self, content: &Content) -> Result<Placed>;
}

/// A dataset or parcel on this host: to be read, not written. It stays until this is dropped; later it may make room for others.
pub struct Placed {
    /// A file under its own name, or for an archive the folder of what is in it.
    pub path: PathBuf,
    _hold: Box<dyn Any + Send + Sync>,
}

impl Placed {
    /// `hold` keeps the path there until it is dropped.
    pub fn new(path: PathBuf, hold: impl Any + Send + Sync) -> Self {
        Self {
            path,
            _hold: Box::new(hold),
        }
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Placed").field(&self.path).finish()
    }
}
