//! Unpacks a parcel's tar into a new folder, within what its own size allows.
//! Does not know what is in it.

use super::pack::ENTRIES_MAX;
use crate::archive::{Extraction, Limits, Nothing, Refused, tar};
use onstage_core::{Error, Result};
use std::{
    fs::{self, File},
    path::Path,
};

/// Makes the folder `to`. Blocks. Errors: invalid (it is no parcel's archive), conflict (`to` is there), full.
pub(super) fn folder(archive: &Path, to: &Path, size_bytes: u64) -> Result<()> {
    fs::create_dir(to).map_err(|error| super::on_disk(&error))?;
    let file = File::open(archive).map_err(|error| super::on_disk(&error))?;
    // Nothing is compressed: files that say they are larger than the archive lie.
    let limits = Limits {
        bytes_max: size_bytes,
        read_only: false,
    };
    let mut extraction = Extraction::new(to, limits, Nothing);
    let walked = tar::each_plain(file, size_bytes + 1, ENTRIES_MAX, |item, data| {
        extraction.item(item, data)
    });
    match extraction.finish(walked) {
        Ok(_) => Ok(()),
        Err(Refused::Disk(error)) => Err(super::on_disk(&error)),
        Err(Refused::Archive(why)) => Err(Error::invalid(format!("a parcel is refused: {why}"))),
    }
}
