//! What interpreters told about themselves the last time they were started, kept in the data folder: starting one takes up to a
//! tenth of a second, longer through a version manager. A file that has changed since is asked again.

use super::interpreter::Interpreter;
use crate::process::HostVariables;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

/// In the folder of a version manager's programs, scripts that start the version that its settings name.
const SHIMS: &str = "shims";
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Known {
    file: PathBuf,
    entries: Mutex<Option<BTreeMap<PathBuf, Entry>>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    /// What the file was, and whatever decides what it does.
    mark: String,
    /// `None` when it did not work.
    found: Option<Interpreter>,
    /// What the interpreter itself was.
    executable: Option<String>,
}

impl Known {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            file: data_dir.join("interpreters.json"),
            entries: Mutex::new(None),
        }
    }

    /// What is known of a program, if it is still the same: the interpreter, or that it is none.
    pub(super) fn get(&self, host: &HostVariables, program: &Path) -> Option<Option<Interpreter>> {
        let entry = self.entries().as_ref()?.get(program)?.clone();
        let same = entry.mark == mark(host, program)?;
        let executable = entry.found.as_ref().map(|found| stamp(&found.executable));
        (same && entry.executable == executable).then_some(entry.found)
    }

    /// Keeps what a program told. What may change without the file changing is not kept.
    pub(super) fn put(&self, host: &HostVariables, program: &Path, found: Option<&Interpreter>) {
        // The parts of Python that make environments are often installed later, apart from the program.
        if found.is_some_and(|found| !found.pip) {
            return;
        }
        // A broken interpreter may be mended around the file; a version manager has said that it has no such version.
        if found.is_none() && is_script(program) != Some(true) {
            return;
        }
        let Some(mark) = mark(host, program) else {
            return;
        };
        let entry = Entry {
            mark,
            found: found.cloned(),
            executable: found.map(|found| stamp(&found.executable)),
        };
        let mut entries = self.entries();
        let all = entries.get_or_insert_default();
        all.insert(program.to_owned(), entry);
        if let Err(error) = write(&self.file, all) {
            tracing::debug!(%error, "what is known of interpreters cannot be kept");
        }
    }

    /// Read from the disk at the first need.
    fn entries(&self) -> MutexGuard<'_, Option<BTreeMap<PathBuf, Entry>>> {
        let mut entries = self.entries.lock().unwrap_or_else(|it| it.into_inner());
        if entries.is_none() {
            *entries = Some(read(&self.file).unwrap_or_default());
        }
        entries
    }
}

/// A file that cannot be read, or that another version wrote, is as good as none.
fn read(file: &Path) -> Option<BTreeMap<PathBuf, Entry>> {
    let small = fs::metadata(file).ok()?.len() <= FILE_BYTES_MAX;
    let text = small.then(|| fs::read(file))?.ok()?;
    serde_json::from_slice(&text).ok()
}

fn write(file: &Path, all: &BTreeMap<PathBuf, Entry>) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(&serde_json::to_vec(all)?)?;
    beside.persist(file)?;
    Ok(())
}

/// Changes whenever starting `program` may give another interpreter; `None` when that cannot be told.
fn mark(host: &HostVariables, program: &Path) -> Option<String> {
    if !is_script(program)? {
        return Some(stamp(program));
    }
    let shims = program.parent().filter(|folder| folder.ends_with(SHIMS))?;
    let mut deciders = vec![
        program.to_owned(),
        shims.parent()?.join("version"),
        // The folder changes when a version is installed.
        shims.parent()?.join("versions"),
        // Interpreters are asked in the root folder.
        PathBuf::from("/.python-version"),
        PathBuf::from("/.tool-versions"),
    ];
    if let Some(home) = host.get("HOME") {
        for name in [".tool-versions", ".config/mise/config.toml"] {
            deciders.push(Path::new(home).join(name));
        }
    }
    let stamps: Vec<String> = deciders.iter().map(|file| stamp(file)).collect();
    let path = host.get("PATH").map_or("", String::as_str);
    Some(format!("{} PATH={path}", stamps.join(" ")))
}

fn is_script(program: &Path) -> Option<bool> {
    let mut start = [0; 2];
    fs::File::open(program).ok()?.read_exact(&mut start).ok()?;
    Some(&start == b"#!")
}

/// Changes when the file at a path is another, behind any links.
fn stamp(file: &Path) -> String {
    match fs::metadata(file) {
        Ok(meta) => format!(
            "{}:{}:{}.{:09}",
            meta.ino(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec()
        ),
        Err(_) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(executable: &Path, pip: bool) -> Interpreter {
        Interpreter {
            executable: executable.to_owned(),
            version: (3, 11, 1),
            implementation: "cpython".to_owned(),
            pip,
        }
    }

    #[test]
    fn a_program_is_known_until_it_changes() {
        let data = tempfile::tempdir().unwrap();
        let program = data.path().join("python3");
        fs::write(&program, b"\x7fELF one").unwrap();
        let host = HostVariables::new();
        let found = interpreter(&program, true);
        Known::new(data.path()).put(&host, &program, Some(&found));
        let later = Known::new(data.path());
        assert_eq!(later.get(&host, &program), Some(Some(found)));
        fs::write(&program, b"\x7fELF another").unwrap();
        assert_eq!(later.get(&host, &program), None);
        fs::write(data.path().join("interpreters.json"), "broken").unwrap();
        assert_eq!(Known::new(data.path()).get(&host, &program), None);
    }

    #[test]
    fn a_version_manager_is_asked_again_when_its_choice_changes() {
        let data = tempfile::tempdir().unwrap();
        let (shims, version) = (data.path().join("shims"), data.path().join("version"));
        fs::create_dir(&shims).unwrap();
        let (shim, real) = (shims.join("python3"), data.path().join("real"));
        fs::write(&shim, "#!/bin/sh\n").unwrap();
        fs::write(&real, b"\x7fELF").unwrap();
        fs::write(&version, "3.11").unwrap();
        let (known, host) = (Known::new(data.path()), HostVariables::new());
        let found = interpreter(&real, true);
        known.put(&host, &shim, Some(&found));
        assert_eq!(known.get(&host, &shim), Some(Some(found.clone())));
        fs::write(&version, "3.12.1").unwrap();
        assert_eq!(known.get(&host, &shim), None);
        known.put(&host, &shim, None);
        assert_eq!(known.get(&host, &shim), Some(None), "that it does not work");
        known.put(&host, &shim, Some(&found));
        fs::remove_file(&real).unwrap();
        assert_eq!(known.get(&host, &shim), None, "what it led to is gone");
    }

    #[test]
    fn what_may_change_unseen_is_not_kept() {
        let data = tempfile::tempdir().unwrap();
        let (known, host) = (Known::new(data.path()), HostVariables::new());
        let (script, bare) = (data.path().join("python3"), data.path().join("bare"));
        fs::write(&script, "#!/bin/sh\nexec whatever").unwrap();
        fs::write(&bare, b"\x7fELF").unwrap();
        known.put(&host, &script, Some(&interpreter(&bare, true)));
        known.put(&host, &bare, Some(&interpreter(&bare, false)));
        assert_eq!(known.get(&host, &script), None, "any other script");
        assert_eq!(known.get(&host, &bare), None, "without `pip` as yet");
        known.put(&host, &bare, None);
        assert_eq!(known.get(&host, &bare), None, "broken as yet");
    }
}
