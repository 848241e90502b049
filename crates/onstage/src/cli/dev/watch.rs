//! Watching a folder for saved files by looking at times and sizes: no more than a laptop can bear, and it works on
//! every file system. Does not know what is done about a change.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const LOOK_PAUSE: Duration = Duration::from_millis(300);
/// Files looked at; a folder with more is no model's code.
const FILES_MAX: usize = 20_000;
/// Changed files that are named.
const NAMED_MAX: usize = 3;
const SKIPPED: &[&str] = &["__pycache__", "node_modules"];

/// What is compared of a file.
type Stamp = (Option<SystemTime>, u64);
type Stamps = BTreeMap<PathBuf, Stamp>;

/// A folder and how it looked last.
pub(super) struct Watch {
    folder: PathBuf,
    last: Stamps,
}

impl Watch {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            last: look(folder),
            folder: folder.to_owned(),
        }
    }

    /// Waits until something has changed and then stayed the same for one look; answers what, relative to the folder.
    pub(super) async fn changed(&mut self) -> Vec<PathBuf> {
        let mut before = self.last.clone();
        loop {
            let folder = self.folder.clone();
            let now = tokio::task::spawn_blocking(move || look(&folder))
                .await
                .unwrap_or_else(|_| before.clone());
            if now == before && now != self.last {
                let changed = difference(&self.last, &now);
                self.last = now;
                return changed;
            }
            before = now;
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

/// `model.py and 2 more`.
pub(super) fn names(changed: &[PathBuf]) -> String {
    let mut names: Vec<String> = changed
        .iter()
        .take(NAMED_MAX)
        .map(|path| path.display().to_string())
        .collect();
    if changed.len() > NAMED_MAX {
        names.push(format!("{} more", changed.len() - NAMED_MAX));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "something".to_owned(),
    }
}

fn difference(before: &Stamps, now: &Stamps) -> Vec<PathBuf> {
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    let new = now
        .iter()
        .filter(|(path, stamp)| before.get(*path) != Some(stamp))
        .map(|(path, _)| path);
    new.chain(gone).cloned().collect()
}

/// Every file below, without hidden ones and what tools leave behind.
fn look(folder: &Path) -> Stamps {
    let mut stamps = Stamps::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in next.read_dir().into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = entry.path();
            if name.starts_with('.')
                || name.ends_with('~')
                || SKIPPED.contains(&&*name)
                || path.join("pyvenv.cfg").exists()
            {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(_) => {
                    let stamp = path
                        .metadata()
                        .map_or((None, 0), |meta| (meta.modified().ok(), meta.len()));
                    let relative = path
                        .strip_prefix(folder)
                        .map(Path::to_owned)
                        .unwrap_or(path);
                    stamps.insert(relative, stamp);
                }
                Err(_) => {}
            }
            if stamps.len() >= FILES_MAX {
                return stamps;
            }
        }
    }
    stamps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn saved_new_and_removed_files_are_seen_and_noise_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        file("model.py", "1");
        file("old.txt", "1");
        let mut watch = Watch::new(folder.path());
        std::fs::create_dir(folder.path().join("__pycache__")).unwrap();
        file("__pycache__/model.pyc", "noise");
        file(".model.py.swp", "noise");
        file("model.py", "12");
        file("new.txt", "1");
        std::fs::remove_file(folder.path().join("old.txt")).unwrap();
        let changed = tokio::time::timeout(Duration::from_secs(20), watch.changed())
            .await
            .unwrap();
        assert_eq!(
            changed,
            ["model.py", "new.txt", "old.txt"].map(PathBuf::from)
        );
    }

    #[test]
    fn changes_are_named_shortly() {
        let paths: Vec<PathBuf> = ["a", "b", "c", "d", "e"].map(PathBuf::from).into();
        assert_eq!(names(&paths[..1]), "a");
        assert_eq!(names(&paths[..2]), "a and b");
        assert_eq!(names(&paths), "a, b, c and 2 more");
    }
}
