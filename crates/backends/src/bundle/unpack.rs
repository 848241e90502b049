//! Unpacks a bundle into a new folder, all or nothing, whoever made the archive.
//! Trusts nothing in it: never uses the tar library's own unpacking.

use super::{
    RATIO_FREE_BYTES, RATIO_MAX, UNPACKED_BYTES_MAX,
    archive::{self, Item, malformed},
    digest::{Contents, Part},
    path::Paths,
};
use crate::durable;
use flate2::bufread::GzDecoder;
use onstage_core::{Error, Kind, Result};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const COPY_BYTES: usize = 64 * 1024;

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
    let beside = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempdir_in(parent)
        .map_err(|error| on_disk("the bundle cannot be unpacked", error))?;
    let root = beside.path().join("bundle");
    fs::create_dir(&root).map_err(|error| on_disk("the bundle cannot be unpacked", error))?;
    let unpacked = Extraction::new(&root, packed_bytes).run(file)?;
    // Whoever finds the folder later takes it for whole.
    durable::publish(&root, dest)
        .map_err(|error| on_disk("the bundle cannot be unpacked", error))?;
    Ok(unpacked)
}

fn on_disk(what: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Full,
        io::ErrorKind::NotFound => Kind::NotFound,
        _ => Kind::Unavailable,
    };
    Error::new(kind, what).because(error)
}

struct Extraction<'a> {
    root: &'a Path,
    bytes_max: u64,
    paths: Paths,
    contents: Contents,
    files: usize,
    bytes: u64,
    /// A failure of our own disk, kept apart from what is wrong with the archive.
    disk: Option<io::Error>,
}

impl<'a> Extraction<'a> {
    fn new(root: &'a Path, packed_bytes: u64) -> Self {
        Self {
            root,
            bytes_max: packed_bytes
                .saturating_mul(RATIO_MAX)
                .clamp(RATIO_FREE_BYTES, UNPACKED_BYTES_MAX),
            paths: Paths::default(),
            contents: Contents::default(),
            files: 0,
            bytes: 0,
            disk: None,
        }
    }

    fn run(mut self, file: File) -> Result<Unpacked> {
        // Headers count too: a tar of a million empty entries is a bomb as well.
        let budget = self.bytes_max + RATIO_FREE_BYTES;
        let mut reader =
            GzDecoder::new(io::BufReader::with_capacity(COPY_BYTES, file)).take(budget);
        let result = archive::each(&mut reader, |item, data| self.item(item, data))
            .and_then(|()| ends_here(&mut reader));
        match (result, self.disk.take()) {
            (_, Some(error)) => Err(on_disk("the bundle cannot be unpacked", error)),
            (Err(why), None) => Err(Error::invalid(format!("bundle is refused: {why}"))
                .hint("push the folder again; `onstage push` makes bundles that fit")),
            (Ok(()), None) => Ok(Unpacked {
                contents_digest: self.contents.finish(),
                files: self.files,
                bytes: self.bytes,
            }),
        }
    }

    fn item(&mut self, item: Item, data: &mut dyn Read) -> Result<(), String> {
        match item {
            Item::Folder { path } if path.is_empty() => Ok(()),
            Item::Folder { path } => {
                self.paths.add_folder(&path)?;
                self.perform(|root| fs::create_dir_all(root.join(&path)))
            }
            Item::File {
                path,
                size_bytes,
                executable,
            } => {
                self.paths.add_file(&path)?;
                self.bytes += size_bytes;
                if self.bytes > self.bytes_max {
                    return Err(format!(
                        "it unpacks to more than {} MiB",
                        self.bytes_max >> 20
                    ));
                }
                self.files += 1;
                self.file(&path, size_bytes, executable, data)
            }
        }
    }

    fn file(
        &mut self,
        path: &str,
        size_bytes: u64,
        executable: bool,
        data: &mut dyn Read,
    ) -> Result<(), String> {
        let mut part = Part::new(path, executable, size_bytes);
        let mut created = None;
        self.perform(|root| {
            created = Some(create(&root.join(path), executable)?);
            Ok(())
        })?;
        let mut file = created.expect("`perform` answered that the file was created");
        let mut buffer = vec![0; COPY_BYTES];
        let mut left = size_bytes;
        while left > 0 {
            let count = data.read(&mut buffer).map_err(malformed)?;
            if count == 0 {
                return Err(format!("it ends in the middle of `{path}`"));
            }
            left = left.saturating_sub(count as u64);
            part.write_all(&buffer[..count])
                .expect("a digest takes everything");
            self.perform(|_| file.write_all(&buffer[..count]))?;
        }
        self.contents.add(path, part);
        Ok(())
    }

    fn perform(&mut self, work: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), String> {
        work(self.root).map_err(|error| {
            self.disk = Some(error);
            "the disk failed".to_owned()
        })
    }
}

/// No link exists under the root, because none is ever created there: a plain path cannot lead out of it.
fn create(path: &Path, executable: bool) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if executable { 0o755 } else { 0o644 })
        .open(path)
}

/// Reads on to the end of the stream: its checksum is there, and nothing but padding may follow the archive.
fn ends_here(reader: &mut io::Take<GzDecoder<io::BufReader<File>>>) -> Result<(), String> {
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
    if reader.limit() == 0 {
        return Err("it unpacks to too many bytes".to_owned());
    }
    let mut rest = [0];
    match reader
        .get_mut()
        .get_mut()
        .read(&mut rest)
        .map_err(malformed)?
    {
        0 => Ok(()),
        _ => Err("something follows its end".to_owned()),
    }
}
