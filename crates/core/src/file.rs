//! A file that somebody uploaded or a model made. Does not hold the bytes.

use crate::{Id, Timestamp, value::BlobRef};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub id: Id,
    pub name: String,
    pub media_type: String,
    pub blob: BlobRef,
    /// JSON object text, as the uploader gave it.
    pub metadata: String,
    /// The principal's id.
    pub by: Id,
    pub created_at: Timestamp,
}
