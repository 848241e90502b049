//! The entries of a zip as plain files and folders, everything else refused.
//! Does not write to disk.

use super::{Item, malformed, path};
use std::io::{BufReader, Read, Seek, SeekFrom};
use zip::{ZipArchive, read::ZipFile, result::ZipError};

/// The end record and the longest comment behind it.
const END_BYTES_MAX: u64 = 22 + 65_535;
const END_MARK: &[u8] = b"PK\x05\x06";
const END_COUNT_AT: usize = 10;
/// In front of the end record of a large archive stands where the larger record is.
const LOCATOR_BYTES: usize = 20;
const LOCATOR_MARK: &[u8] = b"PK\x06\x07";
const LOCATOR_PLACE_AT: usize = 8;
const LARGE_END_MARK: &[u8] = b"PK\x06\x06";
const LARGE_END_BYTES: usize = 56;
const LARGE_COUNT_AT: usize = 32;
/// The bits of a mode that say what an entry is, and those of plain files and folders.
const KIND_BITS: u32 = 0o170_000;
const PLAIN: [u32; 3] = [0, 0o100_000, 0o040_000];

/// Walks the archive once, in its directory's order.
pub(crate) fn each<R: Read + Seek>(
    mut file: R,
    entries_max: usize,
    mut take: impl FnMut(Item, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    // Asked first: the library reads the whole directory into memory.
    let said = entries_said(&mut file)?;
    if said > entries_max as u64 {
        return Err(format!("more than {entries_max} files and folders"));
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    if archive.len() as u64 != said {
        // The library keeps one of several entries with one name.
        return Err("it names an entry twice, or has two directories".to_owned());
    }
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken)?;
        let item = item(&entry)?;
        take(item, &mut entry)?;
    }
    Ok(())
}

fn item<R: Read>(entry: &ZipFile<'_, R>) -> Result<Item, String> {
    let raw = entry.name().map_err(broken)?;
    let path = path::clean(raw.as_bytes())?;
    let mode = entry.unix_mode().unwrap_or(0);
    if entry.is_symlink() || !PLAIN.contains(&(mode & KIND_BITS)) {
        return Err(format!(
            "`{path}` is a link or a device; only files and folders may be in it"
        ));
    }
    if raw.ends_with('/') || path.is_empty() {
        if entry.size() != 0 {
            return Err(format!("folder `{path}` has a size"));
        }
        return Ok(Item::Folder { path });
    }
    Ok(Item::File {
        path,
        size_bytes: entry.size(),
        executable: mode & 0o100 != 0,
    })
}

/// How many entries the end of the archive says that there are.
pub(super) fn entries_said<R: Read + Seek>(file: &mut R) -> Result<u64, String> {
    let size = file.seek(SeekFrom::End(0)).map_err(malformed)?;
    let from = size.saturating_sub(END_BYTES_MAX);
    let tail = read_at(file, from, (size - from) as usize)?;
    let place = (0..tail.len().saturating_sub(END_MARK.len()))
        .rev()
        .find(|place| tail[*place..].starts_with(END_MARK));
    let no_end = || "it is damaged or no zip: it has no end".to_owned();
    let place = place.ok_or_else(no_end)?;
    let count = number(&tail, place + END_COUNT_AT, 2).ok_or_else(no_end)?;
    if count < u64::from(u16::MAX) {
        return Ok(count);
    }
    let locator = place.checked_sub(LOCATOR_BYTES);
    let Some(locator) = locator.filter(|at| tail[*at..].starts_with(LOCATOR_MARK)) else {
        return Ok(count);
    };
    let large = number(&tail, locator + LOCATOR_PLACE_AT, 8).ok_or_else(no_end)?;
    let record = read_at(file, large, LARGE_END_BYTES)?;
    match number(&record, LARGE_COUNT_AT, 8) {
        Some(count) if record.starts_with(LARGE_END_MARK) => Ok(count),
        _ => Err(no_end()),
    }
}

fn read_at<R: Read + Seek>(file: &mut R, at: u64, bytes: usize) -> Result<Vec<u8>, String> {
    let mut read = vec![0; bytes];
    file.seek(SeekFrom::Start(at)).map_err(malformed)?;
    file.read_exact(&mut read).map_err(malformed)?;
    Ok(read)
}

/// The lowest byte comes first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let digits = bytes.get(at..at + length)?;
    Some(
        digits
            .iter()
            .rev()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    )
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over")]
fn broken(error: ZipError) -> String {
    format!("it is damaged or no such archive: {error}")
}
