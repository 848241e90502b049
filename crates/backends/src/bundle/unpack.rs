//! Unpacks a bundle into a new folder, all or nothing, whoever made the archive.
//! Trusts nothing in it: never uses the tar library's own unpacking.

use super::{
    ENTRIES_MAX, RATIO_FREE_BYTES, RATIO_MAX, UNPACKED_BYTES_MAX,
    digest::{Contents, Part},
};
use crate::{
    archive::{Extraction, Limits, Refused, Watch, tar},
    durable,
};
use onstage_core::{Error, Result};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// See `contents_digest`.
    pub contents_digest: String,
    pub files: usize,
    pub bytes: u64,
}

/// Unpacks into `dest`, which must not exist: the files are written beside it and moved there at the end. Blocks.
/// Errors: invalid (the archive is not a bundle), conflict (`dest` exists), full.
pub fn unpack(archive: &Path, dest: &Path) -> Result<Unpacked> {
    if dest.exists() {
        return Err(Error::conflict(format!(
            "folder `{}` exists already",
            dest.display()
        )));
    }
    let file =
        File::open(archive).map_err(|error| on_disk("the bundle cannot be opened", error))?;
    let packed_bytes = file
        .metadata()
        .map_err(|error| on_disk("the bundle cannot be opened", error))?
        .len();
    let parent = dest.parent().unwrap_or(Path::new("."));
    let beside = durable::Passing::create(parent, ".unpacking-")
        .map_err(|error| on_disk("the bundle cannot be unpacked", error))?;
    let root = beside.path().join("bundle");
    fs::create_dir(&root).map_err(|error| on_disk("the bundle cannot be unpacked", error))?;
    let unpacked = extract(file, packed_bytes, &root)?;
    // Whoever finds the folder later takes it for whole.
    durable::publish(&root, dest)
        .map_err(|error| on_disk("the bundle cannot be unpacked", error))?;
    Ok(unpacked)
}

fn on_disk(what: &str, error: io::Error) -> Error {
    Error::new(durable::kind_of_io(error.kind()), what).because(error)
}

/// The digest of the contents, made while they are written.
#[derive(Default)]
struct Digested {
    contents: Contents,
    part: Option<Part>,
}

impl Watch for Digested {
    fn begin(&mut self, path: &str, executable: bool, size_bytes: u64) {
        self.part = Some(Part::new(path, executable, size_bytes));
    }

    fn piece(&mut self, bytes: &[u8]) {
        if let Some(part) = &mut self.part {
            part.write_all(bytes).expect("a digest takes everything");
        }
    }

    fn end(&mut self, path: &str) {
        if let Some(part) = self.part.take() {
            self.contents.add(path, part);
        }
    }
}

fn extract(file: File, packed_bytes: u64, root: &Path) -> Result<Unpacked> {
    let bytes_max = packed_bytes
        .saturating_mul(RATIO_MAX)
        .clamp(RATIO_FREE_BYTES, UNPACKED_BYTES_MAX);
    let limits = Limits {
        bytes_max,
        read_only: false,
    };
    let mut extraction = Extraction::new(root, limits, Digested::default());
    // Headers count too: a tar of a million empty entries is a bomb as well.
    let budget = bytes_max + RATIO_FREE_BYTES;
    let walked = tar::each_gzip(file, budget, ENTRIES_MAX, |item, data| {
        extraction.item(item, data)
    });
    match extraction.finish(walked) {
        Ok(done) => Ok(Unpacked {
            contents_digest: done.watch.contents.finish(),
            files: done.files,
            bytes: done.bytes,
        }),
        Err(Refused::Disk(error)) => Err(on_disk("the bundle cannot be unpacked", error)),
        Err(Refused::Archive(why)) => Err(Error::invalid(format!("bundle is refused: {why}"))
            .hint("push the folder again; `onstage push` makes bundles that fit")),
    }
}
