//! A folder as one tar, the same bytes for the same contents: files by name, no times, no owners.
//! Follows no links: a folder with one is refused.

use super::Exact;
use onstage_core::{Error, Result};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tar::{Builder, EntryType, Header};

/// Writes the tar; answers how many files are in it. Blocks.
pub fn pack(folder: &Path, to: File) -> Result<u64> {
    let mut builder = Builder::new(BufWriter::new(to));
    let mut packed = 0;
    let mut open = vec![PathBuf::new()];
    while let Some(inside) = open.pop() {
        let whole = folder.join(&inside);
        let mut names = names(&whole)?;
        names.sort();
        // The last that is pushed is walked first.
        for name in names.into_iter().rev() {
            open.push(inside.join(name));
        }
        if inside.as_os_str().is_empty() || whole.is_dir() {
            continue;
        }
        append(&mut builder, &whole, &inside)?;
        packed += 1;
    }
    if packed == 0 {
        return Err(Error::invalid(format!(
            "folder `{}` has no files",
            folder.display()
        )));
    }
    let written = builder.into_inner().and_then(|mut out| out.flush());
    written.map_err(|error| {
        Error::unavailable("the folder's archive cannot be written").because(error)
    })?;
    Ok(packed)
}

/// What is in a folder; nothing for a file.
fn names(path: &Path) -> Result<Vec<std::ffi::OsString>> {
    let facts = fs::symlink_metadata(path).map_err(|error| unreadable(path, error))?;
    if facts.is_file() {
        return Ok(Vec::new());
    }
    if !facts.is_dir() {
        return Err(Error::invalid(format!(
            "`{}` is neither a file nor a folder",
            path.display()
        ))
        .hint("put the file itself where the link is"));
    }
    let entries = fs::read_dir(path).map_err(|error| unreadable(path, error))?;
    entries
        .map(|entry| Ok(entry.map_err(|error| unreadable(path, error))?.file_name()))
        .collect()
}

fn append<W: Write>(builder: &mut Builder<W>, whole: &Path, inside: &Path) -> Result<()> {
    let broken = |error| unreadable(whole, error);
    let file = File::open(whole).map_err(broken)?;
    let size_bytes = file.metadata().map_err(broken)?.len();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size_bytes);
    header.set_mtime(0);
    builder
        .append_data(&mut header, inside, Exact::new(file, size_bytes))
        .map_err(broken)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::invalid(format!("`{}` cannot be packed", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(folder: &Path) -> Result<Vec<u8>> {
        let out = tempfile::NamedTempFile::new().unwrap();
        pack(folder, out.reopen().unwrap())?;
        Ok(fs::read(out.path()).unwrap())
    }

    #[test]
    fn the_same_contents_are_the_same_bytes() {
        let make = |names: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            for name in names {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, name).unwrap();
            }
            folder
        };
        let long = format!("deep/{}", "x".repeat(180));
        let one = packed(make(&["b.txt", "a/c.txt", &long]).path()).unwrap();
        let two = packed(make(&[&long, "a/c.txt", "b.txt"]).path()).unwrap();
        assert_eq!(one, two);
        let mut archive = tar::Archive::new(one.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["a/c.txt", "b.txt", &long]);
    }

    #[test]
    fn links_and_empty_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        assert!(
            packed(folder.path())
                .unwrap_err()
                .message
                .contains("no files")
        );
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let error = packed(folder.path()).unwrap_err();
        assert!(error.message.contains("link"), "{error}");
    }
}
