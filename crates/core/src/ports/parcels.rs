//! Parcels on their way between this host's disk and the blobs.

use super::Placed;
use crate::{Result, parcel::Parcel};
use async_trait::async_trait;
use std::path::{Path, PathBuf};

/// Takes up and puts down files and folders, in constant memory.
#[async_trait]
pub trait Parcels: Send + Sync + 'static {
    /// Puts the file or folder at `path` into the blobs under `key`.
    /// Errors: invalid (there is nothing, or something that is neither a file nor a folder), full, unavailable.
    async fn take(&self, path: &Path, key: &str) -> Result<Parcel>;
    /// Puts a parcel down inside of `folder`, under its name. Errors: not found, invalid (damaged), full, unavailable.
    async fn put_down(&self, parcel: &Parcel, folder: &Path) -> Result<PathBuf>;
    /// A parcel on this host, shared by all who need it: put down once, known by its digest. Nobody may change it; when all have let go of it,
    /// it may make room for others.
    async fn place(&self, parcel: &Parcel) -> Result<Placed>;
}
