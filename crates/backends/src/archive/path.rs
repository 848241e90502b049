//! Which paths may be in an archive: plain relative ones that mean the same on every machine.
//! Does not touch the disk.

use super::{DEPTH_MAX, PATH_BYTES_MAX};
use std::collections::HashMap;

/// A name on disk is at most so long on the file systems people have.
const NAME_BYTES_MAX: usize = 255;

/// Checks an archive's path and answers it without a leading `./` and a trailing `/`; empty for the root itself.
pub(crate) fn clean(raw: &[u8]) -> Result<String, String> {
    let shown = || String::from_utf8_lossy(&raw[..raw.len().min(80)]).into_owned();
    if raw.len() > PATH_BYTES_MAX {
        return Err(format!(
            "path `{}…` is longer than {PATH_BYTES_MAX} bytes",
            shown()
        ));
    }
    let text = std::str::from_utf8(raw).map_err(|_| format!("path `{}` is not UTF-8", shown()))?;
    if text.starts_with('/') {
        return Err(format!("path `{text}` is absolute"));
    }
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(format!(
            "path `{}` has a control character or a backslash",
            text.escape_debug()
        ));
    }
    let mut rest = text;
    while let Some(below) = rest.strip_prefix("./") {
        rest = below;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() || rest == "." {
        return Ok(String::new());
    }
    for part in rest.split('/') {
        match part {
            "" | "." => return Err(format!("path `{text}` is not plain")),
            ".." => return Err(format!("path `{text}` leaves its folder")),
            _ if part.len() > NAME_BYTES_MAX => {
                return Err(format!(
                    "path `{text}` has a name longer than {NAME_BYTES_MAX} bytes"
                ));
            }
            _ => {}
        }
    }
    if rest.split('/').count() > DEPTH_MAX {
        return Err(format!("path `{text}` is deeper than {DEPTH_MAX} folders"));
    }
    Ok(rest.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A folder that only follows from a path below it.
    Implied,
    Folder,
    File,
}

/// The paths of one archive so far. Refuses doubles and names that differ by case alone.
#[derive(Default)]
pub(crate) struct Paths {
    by_folded: HashMap<String, (String, Seen)>,
}

impl Paths {
    pub(crate) fn add_file(&mut self, path: &str) -> Result<(), String> {
        self.add_parents(path)?;
        self.add(path, Seen::File)
    }

    pub(crate) fn add_folder(&mut self, path: &str) -> Result<(), String> {
        self.add_parents(path)?;
        self.add(path, Seen::Folder)
    }

    fn add_parents(&mut self, path: &str) -> Result<(), String> {
        for (at, _) in path.match_indices('/') {
            self.add(&path[..at], Seen::Implied)?;
        }
        Ok(())
    }

    fn add(&mut self, path: &str, what: Seen) -> Result<(), String> {
        let folded = path.to_lowercase();
        let Some((known, seen)) = self.by_folded.get_mut(&folded) else {
            self.by_folded.insert(folded, (path.to_owned(), what));
            return Ok(());
        };
        if known != path {
            return Err(format!("`{path}` and `{known}` differ by case alone"));
        }
        match (*seen, what) {
            (Seen::Implied | Seen::Folder, Seen::Implied) => Ok(()),
            (Seen::Implied, Seen::Folder) => {
                *seen = Seen::Folder;
                Ok(())
            }
            (Seen::File, Seen::Implied) => Err(format!("`{path}` is a file and a folder")),
            _ => Err(format!("`{path}` is there twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass_and_others_do_not() {
        for (raw, cleaned) in [
            ("model.py", "model.py"),
            ("./data/a.csv", "data/a.csv"),
            ("data/", "data"),
            ("./", ""),
            (".", ""),
        ] {
            assert_eq!(clean(raw.as_bytes()).unwrap(), cleaned);
        }
        for raw in [
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/./b",
            "a\\b",
            "a\nb",
            "..",
            "a/..",
            "//x",
        ] {
            assert!(clean(raw.as_bytes()).is_err(), "{raw}");
        }
        assert!(clean(b"\xff\xfe").is_err());
        assert!(clean("d/".repeat(40).as_bytes()).is_err());
    }

    #[test]
    fn doubles_and_case_clashes_are_refused() {
        let mut paths = Paths::default();
        paths.add_file("data/a.csv").unwrap();
        paths.add_folder("data").unwrap();
        paths.add_file("data/b.csv").unwrap();
        for path in [
            "data/a.csv",
            "data/A.csv",
            "DATA/c.csv",
            "data/a.csv/x",
            "data",
        ] {
            assert!(paths.add_file(path).is_err(), "{path}");
        }
        assert!(paths.add_folder("data").is_err(), "a folder entry twice");
    }
}
