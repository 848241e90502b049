//! The raw entries of a tar as plain files and folders: long names joined, everything else refused.
//! Does not write to disk.

use super::{COPY_BYTES, Item, PATH_BYTES_MAX, malformed, path, pax};
use flate2::bufread::GzDecoder;
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
};
use tar::{Archive, Entries, Entry, EntryType};

/// A PAX or long-name header; real ones are a few hundred bytes.
const META_BYTES_MAX: u64 = 64 * 1024;

/// Walks a gzip'd tar to its end, which must be the file's; `bytes_max` is of all that unpacking gives, headers included.
pub(crate) fn each_gzip(
    file: File,
    bytes_max: u64,
    entries_max: usize,
    take: impl FnMut(Item, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let packed = BufReader::with_capacity(COPY_BYTES, file);
    let mut reader = GzDecoder::new(packed).take(bytes_max);
    each(&mut reader, entries_max, take)?;
    only_padding(&mut reader)?;
    let mut rest = [0];
    let behind = reader.get_mut().get_mut();
    match behind.read(&mut rest).map_err(malformed)? {
        0 => Ok(()),
        _ => Err("something follows its end".to_owned()),
    }
}

/// As `each_gzip`, of a tar that is not packed.
pub(crate) fn each_plain(
    file: File,
    bytes_max: u64,
    entries_max: usize,
    take: impl FnMut(Item, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = BufReader::with_capacity(COPY_BYTES, file).take(bytes_max);
    each(&mut reader, entries_max, take)?;
    only_padding(&mut reader)
}

/// Reads on to the end of the stream: its checksum is there, and nothing but padding may follow the archive.
fn only_padding<R: Read>(reader: &mut io::Take<R>) -> Result<(), String> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let count = reader.read(&mut buffer).map_err(malformed)?;
        if count == 0 {
            break;
        }
        if buffer[..count].iter().any(|byte| *byte != 0) {
            return Err("something follows its end".to_owned());
        }
    }
    match reader.limit() {
        0 => Err("it unpacks to too many bytes".to_owned()),
        _ => Ok(()),
    }
}

/// Walks the archive once, in order. `take` gets each item and, for a file, its bytes.
///
/// The tar library is asked for raw entries only, so that long names and PAX headers are read here, within limits.
pub(crate) fn each<R: Read>(
    reader: R,
    entries_max: usize,
    take: impl FnMut(Item, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let mut archive = Archive::new(reader);
    let entries = archive.entries().map_err(malformed)?.raw(true);
    walk(entries, entries_max, take)
}

/// As `each`, without reading what nobody takes.
pub(crate) fn each_leaping<R: Read + Seek>(
    reader: R,
    entries_max: usize,
    take: impl FnMut(Item, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let mut archive = Archive::new(reader);
    let entries = archive.entries_with_seek().map_err(malformed)?.raw(true);
    walk(entries, entries_max, take)
}

fn walk<R: Read>(
    entries: Entries<'_, R>,
    entries_max: usize,
    mut take: impl FnMut(Item, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let mut pending = Pending::default();
    for (count, entry) in entries.enumerate() {
        if count >= entries_max * 2 {
            return Err(format!("more than {entries_max} files and folders"));
        }
        let mut entry = entry.map_err(malformed)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => pending.long_name(&mut entry)?,
            EntryType::XHeader => pending.pax(&mut entry)?,
            // A comment such as the commit that `git archive` writes; it may not change any entry.
            EntryType::XGlobalHeader => global(&mut entry)?,
            EntryType::Regular | EntryType::Directory => {
                let item = pending.item(&entry)?;
                take(item, &mut entry)?;
            }
            other => return Err(refused(&entry, other)),
        }
    }
    if pending.is_empty() {
        Ok(())
    } else {
        Err("it ends after a header without its file".to_owned())
    }
}

/// What earlier headers said about the next entry.
#[derive(Default)]
struct Pending {
    path: Option<Vec<u8>>,
    size_bytes: Option<u64>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.path.is_none() && self.size_bytes.is_none()
    }

    fn set_path(&mut self, path: &[u8]) -> Result<(), String> {
        if self.path.is_some() {
            return Err("an entry is named twice".to_owned());
        }
        // Other programs end a name at a zero byte; here none may disagree about it.
        if path.contains(&0) {
            return Err("a name holds a zero byte".to_owned());
        }
        self.path = Some(path.to_owned());
        Ok(())
    }

    fn long_name<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), String> {
        let data = read_meta(entry)?;
        self.set_path(data.strip_suffix(b"\0").unwrap_or(&data))
    }

    fn pax<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), String> {
        let data = read_meta(entry)?;
        for (key, value) in pax::records(&data)? {
            match key {
                "path" => self.set_path(value)?,
                "size" => self.size_bytes = Some(decimal(value)?),
                "linkpath" => return Err("it holds a link".to_owned()),
                _ if key.starts_with("GNU.sparse.") => {
                    return Err("it holds a sparse file".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn item<R: Read>(&mut self, entry: &Entry<'_, R>) -> Result<Item, String> {
        let header = entry.header();
        let raw = match self.path.take() {
            Some(path) => path,
            None => header.path_bytes().into_owned(),
        };
        let path = path::clean(&raw)?;
        let size_bytes = header.size().map_err(malformed)?;
        if self
            .size_bytes
            .take()
            .is_some_and(|said| said != size_bytes)
        {
            return Err(format!("entry `{path}` has two sizes"));
        }
        if header.entry_type() == EntryType::Directory {
            if size_bytes != 0 {
                return Err(format!("folder `{path}` has a size"));
            }
            return Ok(Item::Folder { path });
        }
        if path.is_empty() || raw.ends_with(b"/") {
            return Err(format!(
                "file `{}` has no name",
                String::from_utf8_lossy(&raw)
            ));
        }
        let executable = header.mode().map_err(malformed)? & 0o100 != 0;
        Ok(Item::File {
            path,
            size_bytes,
            executable,
        })
    }
}

fn read_meta<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, String> {
    let size = entry.header().size().map_err(malformed)?;
    if size > META_BYTES_MAX {
        return Err(format!("a header is longer than {META_BYTES_MAX} bytes"));
    }
    let mut data = Vec::with_capacity(size as usize);
    entry.read_to_end(&mut data).map_err(malformed)?;
    Ok(data)
}

fn global<R: Read>(entry: &mut Entry<'_, R>) -> Result<(), String> {
    let data = read_meta(entry)?;
    match pax::records(&data)?
        .iter()
        .find(|(key, _)| *key != "comment")
    {
        None => Ok(()),
        Some((key, _)) => Err(format!("a global header sets `{key}`")),
    }
}

fn decimal(value: &[u8]) -> Result<u64, String> {
    std::str::from_utf8(value)
        .ok()
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| "a PAX header has a bad size".to_owned())
}

fn refused<R: Read>(entry: &Entry<'_, R>, what: EntryType) -> String {
    let raw = entry.header().path_bytes();
    let name = String::from_utf8_lossy(&raw[..raw.len().min(PATH_BYTES_MAX)]).into_owned();
    let what = match what {
        EntryType::Symlink => "a link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown type",
    };
    format!(
        "`{}` is {what}; only files and folders may be in it",
        name.escape_debug()
    )
}
