//! The check of inputs against a model's schema, compiled once per version.

use bytes::Bytes;

/// One thing that is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CheckError {
    /// JSON pointer into the value.
    pub pointer: String,
    /// What the schema wants, in words.
    pub expected: String,
    /// What was there, shortened.
    pub got: String,
}

/// A compiled `Input` schema.
pub trait InputCheck: Send + Sync + 'static {
    /// Checks an input's JSON text. Every violation is named, not only the first.
    fn check(&self, json: &[u8]) -> Result<(), Vec<CheckError>>;
    /// Makes an input out of a table row: cells that are text become what the schema wants (`"3"` → 3, `"yes"` → true, empty → absent), then checks it.
    /// `cells` are pairs of input name and JSON value.
    fn coerce(&self, cells: &[(String, serde_json::Value)]) -> Result<Bytes, Vec<CheckError>>;
}

/// A compiled `Output` schema: fences a worker that answers what its schema does not allow.
pub trait OutputCheck: Send + Sync + 'static {
    fn check(&self, json: &[u8]) -> Result<(), Vec<CheckError>>;
}
