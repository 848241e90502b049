//! Parcels: a file, or a folder as one archive, that a worker has made and workers are given again: weights and checkpoints.
//! Does not pack or unpack.

use crate::value::BlobRef;
use serde::{Deserialize, Serialize};

/// What lies in the blobs, and as what it is placed where it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The file itself, or a tar of the folder's files.
    pub blob: BlobRef,
    /// The last part of its path: code that reads it may go by the ending.
    pub name: String,
    #[serde(default)]
    pub is_folder: bool,
}
