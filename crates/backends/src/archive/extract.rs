//! The writing of an archive's items below a folder that nobody else writes to, within limits.
//! Does not read archives.

use super::{COPY_BYTES, Item, malformed, path::Paths};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// What may come out of an archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of all files together.
    pub(crate) bytes_max: u64,
    /// Files that are only to be read, whoever packed them.
    pub(crate) read_only: bool,
}

/// Who looks on while files are written.
pub(crate) trait Watch {
    fn begin(&mut self, path: &str, executable: bool, size_bytes: u64);
    fn piece(&mut self, bytes: &[u8]);
    fn end(&mut self, path: &str);
}

/// Nobody.
pub(crate) struct Nothing;

impl Watch for Nothing {
    fn begin(&mut self, _: &str, _: bool, _: u64) {}
    fn piece(&mut self, _: &[u8]) {}
    fn end(&mut self, _: &str) {}
}

/// Why it was not unpacked.
pub(crate) enum Refused {
    /// Something is wrong with the archive.
    Archive(String),
    /// Our own disk failed.
    Disk(io::Error),
}

pub(crate) struct Extraction<'a, W> {
    root: &'a Path,
    limits: Limits,
    paths: Paths,
    pub(crate) watch: W,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    /// A failure of our own disk, kept apart from what is wrong with the archive.
    disk: Option<io::Error>,
}

impl<'a, W: Watch> Extraction<'a, W> {
    /// Below `root`, which is there and empty.
    pub(crate) fn new(root: &'a Path, limits: Limits, watch: W) -> Self {
        Self {
            root,
            limits,
            paths: Paths::default(),
            watch,
            files: 0,
            bytes: 0,
            disk: None,
        }
    }

    /// Judges how the walk ended.
    pub(crate) fn finish(mut self, walked: Result<(), String>) -> Result<Self, Refused> {
        match (walked, self.disk.take()) {
            (_, Some(error)) => Err(Refused::Disk(error)),
            (Err(why), None) => Err(Refused::Archive(why)),
            (Ok(()), None) => Ok(self),
        }
    }

    pub(crate) fn item(&mut self, item: Item, data: &mut dyn Read) -> Result<(), String> {
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
                self.bytes = self.bytes.saturating_add(size_bytes);
                if self.bytes > self.limits.bytes_max {
                    return Err(format!(
                        "it unpacks to more than {} MiB",
                        self.limits.bytes_max >> 20
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
        self.watch.begin(path, executable, size_bytes);
        let mode = match (self.limits.read_only, executable) {
            (true, _) => 0o444,
            (false, true) => 0o755,
            (false, false) => 0o644,
        };
        let mut created = None;
        self.perform(|root| {
            created = Some(create(&root.join(path), mode)?);
            Ok(())
        })?;
        let mut file = created.expect("`perform` answered that the file was created");
        let mut buffer = vec![0; COPY_BYTES];
        let mut left = size_bytes;
        // The read behind the last byte checks the sum, where there is one.
        loop {
            let count = data.read(&mut buffer).map_err(malformed)?;
            if count == 0 {
                break;
            }
            let Some(rest) = left.checked_sub(count as u64) else {
                return Err(format!("`{path}` is longer than it says"));
            };
            left = rest;
            self.watch.piece(&buffer[..count]);
            self.perform(|_| file.write_all(&buffer[..count]))?;
        }
        if left > 0 {
            return Err(format!("it ends in the middle of `{path}`"));
        }
        self.watch.end(path);
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
fn create(path: &Path, mode: u32) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}
