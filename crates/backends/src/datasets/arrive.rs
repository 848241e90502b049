//! A dataset's way from the blobs to this host: fetched, checked against its digest, laid out.
//! Does not know where it will lie.

use super::named::CONTENT;
use crate::archive::{Extraction, Limits, Nothing, Refused, tar, zip};
use crate::shelf::on_disk;
use onstage_core::{Error, Result, dataset::DatasetFormat};
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Files and folders of one archive.
const ENTRIES_MAX: usize = 200_000;
/// How many times larger than its archive a dataset may become.
const RATIO_MAX: u64 = 200;
/// Archives may exceed `RATIO_MAX` up to this size.
const RATIO_FREE_BYTES: u64 = 64 << 20;
/// The files of one archive, all told; the disk may end earlier.
const UNPACKED_BYTES_MAX: u64 = 1 << 40;
const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];
const READ_ONLY: u32 = 0o444;

/// Lays the bytes out below `whole`; answers how many there are then. Blocks.
pub(super) fn lay_out(
    fetched: &Path,
    format: DatasetFormat,
    whole: &Path,
    named: &str,
) -> Result<u64> {
    let content = whole.join(CONTENT);
    if !format.is_folder() {
        fs::set_permissions(fetched, fs::Permissions::from_mode(READ_ONLY)).map_err(on_disk)?;
        fs::rename(fetched, &content).map_err(on_disk)?;
        return Ok(fs::metadata(&content).map_err(on_disk)?.len());
    }
    fs::create_dir(&content).map_err(on_disk)?;
    let bytes = unpack(fetched, format, &content, named)?;
    fs::remove_file(fetched).map_err(on_disk)?;
    Ok(bytes)
}

fn unpack(packed: &Path, format: DatasetFormat, root: &Path, named: &str) -> Result<u64> {
    let mut file = File::open(packed).map_err(on_disk)?;
    let packed_bytes = file.metadata().map_err(on_disk)?.len();
    let bytes_max = packed_bytes
        .saturating_mul(RATIO_MAX)
        .clamp(RATIO_FREE_BYTES, UNPACKED_BYTES_MAX);
    let limits = Limits {
        bytes_max,
        read_only: true,
    };
    let mut extraction = Extraction::new(root, limits, Nothing);
    let take = |item, data: &mut dyn Read| extraction.item(item, data);
    let budget = bytes_max.saturating_add(RATIO_FREE_BYTES);
    let walked = match format {
        DatasetFormat::Zip => zip::each(file, ENTRIES_MAX, take),
        _ if is_gzip(&mut file).map_err(on_disk)? => {
            tar::each_gzip(file, budget, ENTRIES_MAX, take)
        }
        _ => tar::each_plain(file, budget, ENTRIES_MAX, take),
    };
    match extraction.finish(walked) {
        Ok(done) => Ok(done.bytes),
        Err(Refused::Disk(error)) => Err(on_disk(error)),
        Err(Refused::Archive(why)) => Err(Error::invalid(format!(
            "the archive `{named}` is refused: {why}"
        ))
        .hint("pack plain files and folders into it and upload it again, or upload it with `format=other`")),
    }
}

/// Leaves the file at its beginning.
fn is_gzip(file: &mut File) -> std::io::Result<bool> {
    use std::io::Seek;
    let mut mark = Vec::new();
    file.by_ref()
        .take(GZIP_MARK.len() as u64)
        .read_to_end(&mut mark)?;
    file.rewind()?;
    Ok(mark == GZIP_MARK)
}
