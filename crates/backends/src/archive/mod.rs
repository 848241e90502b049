//! Archives from outside, unpacked by one careful loop of our own: tar, gzip'd tar and zip.
//! Does not know what they are for; the libraries' own unpacking is never used.

mod exact;
mod extract;
pub(crate) mod list;
mod pack;
pub(crate) mod path;
mod pax;
pub(crate) mod tar;
#[cfg(test)]
mod tests;
pub(crate) mod zip;

pub use pack::pack;

pub(crate) use exact::Exact;
pub(crate) use extract::{Extraction, Limits, Nothing, Refused, Watch};

/// A path inside an archive.
pub(crate) const PATH_BYTES_MAX: usize = 1_024;
/// Folders in folders.
pub(crate) const DEPTH_MAX: usize = 32;
/// Copied at a time.
pub(crate) const COPY_BYTES: usize = 64 * 1024;

/// What an archive may hold.
pub(crate) enum Item {
    Folder {
        path: String,
    },
    File {
        path: String,
        size_bytes: u64,
        executable: bool,
    },
}

/// Why bytes that should be an archive are none.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over")]
pub(crate) fn malformed(error: std::io::Error) -> String {
    format!("it is damaged or no such archive: {error}")
}
