//! Bundles: a model folder as one archive, packed and unpacked safely, and what can be read from the folder.
//! Does not know where archives are kept or how models run.

mod check;
mod config;
mod digest;
mod examples;
mod glob;
mod pack;
mod suggest;
#[cfg(test)]
mod tests;
mod unpack;
mod walk;

pub(crate) use check::{PYTHON_MIN, python_wanted};
pub use config::read_config;
pub(crate) use digest::file_digest;
pub use digest::{contents_digest, version_id};
pub use examples::{EXAMPLE_BYTES_MAX, EXAMPLES_MAX, Example, read_examples};
pub use pack::{Packed, pack};
pub use unpack::{Unpacked, unpack};

/// Files and folders in a bundle.
pub const ENTRIES_MAX: usize = 20_000;
/// The files of a bundle, all told.
pub const UNPACKED_BYTES_MAX: u64 = 2 << 30;
/// How many times larger than its archive a bundle may become; text packs about 10:1, zeros 1000:1.
pub const RATIO_MAX: u64 = 200;
/// Archives may exceed `RATIO_MAX` up to this size, so that a folder with one table of zeros passes.
pub const RATIO_FREE_BYTES: u64 = 16 << 20;
