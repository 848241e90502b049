//! What a model's environment must hold: its requirement lines, read and normalised.
//! Does not install anything.

use crate::bundle::contents_digest;
use onstage_core::{
    Error, Result,
    config::{EnvironmentSection, Requirements},
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// Files that include files.
const DEPTH_MAX: usize = 8;
const FILE_BYTES_MAX: u64 = 1 << 20;
const DEFAULT_FILE: &str = "requirements.txt";

/// Requirement lines in the shape that both installers read, with local paths made absolute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Needs {
    pub(super) lines: Vec<String>,
    /// The same lines with a digest of each local path's contents in its place: equal needs, equal text.
    identity: Vec<String>,
}

impl Needs {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Order and repetition do not matter.
    pub(super) fn add_to(&self, hash: &mut Sha256) {
        let mut identity = self.identity.clone();
        identity.sort();
        identity.dedup();
        for line in identity {
            hash.update((line.len() as u64).to_le_bytes());
            hash.update(line);
        }
    }
}

/// The requirements of a model folder: from the config, else from `requirements.txt`. Errors: user code.
pub(super) fn read(folder: &Path, section: &EnvironmentSection) -> Result<Needs> {
    let mut needs = Needs::default();
    match &section.requirements {
        Some(Requirements::Lines(lines)) => {
            add_text(
                &mut needs,
                &lines.join("\n"),
                Place::new(folder, folder, "[environment] requirements"),
            )?;
        }
        Some(Requirements::File(name)) => add_file(&mut needs, folder, &folder.join(name), 0)?,
        None if folder.join(DEFAULT_FILE).is_file() => {
            add_file(&mut needs, folder, &folder.join(DEFAULT_FILE), 0)?;
        }
        None => {}
    }
    Ok(needs)
}

/// Where lines stand: local paths are relative to `beside` and must stay within `folder`.
struct Place<'a> {
    folder: &'a Path,
    beside: &'a Path,
    name: String,
    depth: usize,
}

impl<'a> Place<'a> {
    fn new(folder: &'a Path, beside: &'a Path, name: &str) -> Self {
        Self {
            folder,
            beside,
            name: name.to_owned(),
            depth: 0,
        }
    }

    fn wrong(&self, line: &str, why: &str) -> Error {
        Error::user_code(format!("`{}`: line `{line}` {why}", self.name))
    }

    fn within(&self, line: &str, path: &str) -> Result<PathBuf> {
        let joined = plain(&self.beside.join(path));
        if !joined.starts_with(plain(self.folder)) {
            return Err(self.wrong(line, "leads out of the model's folder"));
        }
        if !joined.exists() {
            return Err(self.wrong(line, "names a path that is not there").hint(
                "paths are relative to the file that names them; is it excluded from the bundle?",
            ));
        }
        Ok(joined)
    }
}

/// Without `.` and `..`, by text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn add_file(needs: &mut Needs, folder: &Path, file: &Path, depth: usize) -> Result<()> {
    let name = file
        .strip_prefix(folder)
        .unwrap_or(file)
        .display()
        .to_string();
    let unreadable =
        |why: String| Error::user_code(format!("requirements file `{name}` cannot be read: {why}"));
    if depth > DEPTH_MAX {
        return Err(unreadable("files include each other too deeply".to_owned()));
    }
    let size = fs::metadata(file)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable("it is larger than 1 MiB".to_owned()));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    let beside = file.parent().unwrap_or(folder);
    add_text(
        needs,
        &text,
        Place {
            folder,
            beside,
            name,
            depth,
        },
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a place is made for one text"
)]
fn add_text(needs: &mut Needs, text: &str, place: Place<'_>) -> Result<()> {
    for line in logical_lines(text) {
        match sort_of(&line) {
            Sort::Include(path) => {
                let file = place.within(&line, path)?;
                add_file(needs, place.folder, &file, place.depth + 1)?;
            }
            Sort::Local {
                option,
                path,
                extras,
            } => {
                let found = place.within(&line, path)?;
                let digest = local_digest(&found)?;
                needs.identity.push(format!("{option}{digest}{extras}"));
                needs
                    .lines
                    .push(format!("{option}{}{extras}", found.display()));
            }
            Sort::Plain => {
                needs.identity.push(normal(&line));
                needs.lines.push(line);
            }
        }
    }
    Ok(())
}

fn local_digest(path: &Path) -> Result<String> {
    if path.is_dir() {
        return contents_digest(path);
    }
    let bytes = fs::read(path).map_err(|error| {
        Error::user_code(format!("`{}` cannot be read", path.display())).because(error)
    })?;
    Ok(crate::hex::hex(&Sha256::digest(&bytes)))
}

/// Lines without comments, with backslash continuations joined.
fn logical_lines(text: &str) -> Vec<String> {
    let joined = text
        .trim_start_matches('\u{feff}')
        .replace("\r\n", "\n")
        .replace("\\\n", " ");
    joined
        .lines()
        .map(|line| {
            let comment = if line.trim_start().starts_with('#') {
                Some(0)
            } else {
                line.find(" #")
            };
            line[..comment.unwrap_or(line.len())].trim().to_owned()
        })
        .filter(|line| !line.is_empty())
        .collect()
}

enum Sort<'a> {
    Include(&'a str),
    Local {
        option: &'static str,
        path: &'a str,
        extras: &'a str,
    },
    Plain,
}

fn sort_of(line: &str) -> Sort<'_> {
    if let Some(path) = option(line, "-r", "--requirement") {
        return Sort::Include(path);
    }
    if let Some(path) = option(line, "-c", "--constraint") {
        return Sort::Local {
            option: "-c ",
            path,
            extras: "",
        };
    }
    if let Some(path) = option(line, "-f", "--find-links").filter(|path| is_path(path)) {
        return Sort::Local {
            option: "-f ",
            path,
            extras: "",
        };
    }
    // An editable install would point into the unpacked bundle and break when that is removed; versions never change, so
    // installing a copy is the same.
    let target = option(line, "-e", "--editable").unwrap_or(line);
    if is_path(target) {
        let extras = target.find('[').unwrap_or(target.len());
        return Sort::Local {
            option: "",
            path: &target[..extras],
            extras: &target[extras..],
        };
    }
    Sort::Plain
}

fn option<'a>(line: &'a str, short: &str, long: &str) -> Option<&'a str> {
    let rest = line
        .strip_prefix(long)
        .filter(|rest| rest.starts_with([' ', '=']))
        .or_else(|| {
            line.strip_prefix(short)
                .filter(|rest| !rest.starts_with('-'))
        })?;
    Some(rest.trim_start_matches(['=', ' ']).trim())
}

fn is_path(text: &str) -> bool {
    text == "."
        || text.starts_with("./")
        || text.starts_with("../")
        || text.starts_with(".[")
        || (text.contains('/') && !text.contains("://") && !text.contains('@'))
        || (text.ends_with(".whl") && !text.contains("://") && !text.contains('@'))
}

/// `NumPy == 1.26` and `numpy==1.26` are the same need; options are kept as they are.
fn normal(line: &str) -> String {
    if line.starts_with('-') || line.contains("://") {
        return line.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let (need, marker) = line.split_once(';').unwrap_or((line, ""));
    let need: String = need.split_whitespace().collect();
    let end = need
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
        .unwrap_or(need.len());
    let name = need[..end].to_lowercase().replace(['_', '.'], "-");
    let marker = marker.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{name}{};{marker}", &need[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(needs: &Needs) -> Vec<u8> {
        let mut hash = Sha256::new();
        needs.add_to(&mut hash);
        hash.finalize().to_vec()
    }

    fn lines(folder: &Path, lines: &[&str]) -> Result<Needs> {
        let section = EnvironmentSection {
            requirements: Some(Requirements::Lines(
                lines.iter().map(|s| (*s).to_owned()).collect(),
            )),
            ..Default::default()
        };
        read(folder, &section)
    }

    #[test]
    fn equal_needs_have_equal_digests() {
        let folder = tempfile::tempdir().unwrap();
        let a = lines(folder.path(), &["NumPy == 1.26.4  # maths", "my_lib.x>=2"]).unwrap();
        let b = lines(
            folder.path(),
            &["my-lib-x >= 2", "", "numpy==1.26.4", "numpy==1.26.4"],
        )
        .unwrap();
        assert_eq!(digest(&a), digest(&b));
        let c = lines(folder.path(), &["numpy==1.26.5", "my-lib-x>=2"]).unwrap();
        assert_ne!(digest(&a), digest(&c));
    }

    #[test]
    fn files_include_files_and_local_packages() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("pkg")).unwrap();
        fs::create_dir_all(root.join("more")).unwrap();
        fs::write(root.join("pkg/setup.py"), "1").unwrap();
        fs::write(
            root.join("requirements.txt"),
            "-r more/base.txt\n-e ../x/../pkg[fast]\nsix \\\n  ==1.16\n",
        )
        .unwrap();
        fs::write(root.join("more/base.txt"), "# nothing\nattrs\n../pkg\n").unwrap();
        let error = read(root, &EnvironmentSection::default()).unwrap_err();
        assert!(
            error.to_string().contains("out of the model's folder"),
            "{error}"
        );
        fs::write(
            root.join("requirements.txt"),
            "-r more/base.txt\n-e ./pkg[fast]\nsix \\\n  ==1.16\n",
        )
        .unwrap();
        let needs = read(root, &EnvironmentSection::default()).unwrap();
        let pkg = root.join("pkg").display().to_string();
        assert_eq!(
            needs.lines,
            ["attrs", &pkg, &format!("{pkg}[fast]"), "six    ==1.16"]
        );
        let before = digest(&needs);
        fs::write(root.join("pkg/setup.py"), "2").unwrap();
        assert_ne!(
            before,
            digest(&read(root, &EnvironmentSection::default()).unwrap())
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (line, expected) in [
            ("-r missing.txt", "not there"),
            ("./missing", "not there"),
            ("-r ../../etc/passwd", "out of the model's folder"),
            ("-r loop.txt", "too deeply"),
        ] {
            fs::write(folder.path().join("loop.txt"), "-r loop.txt").unwrap();
            let error = lines(folder.path(), &[line]).unwrap_err();
            assert!(error.to_string().contains(expected), "{line}: {error}");
        }
        let kept = lines(
            folder.path(),
            &["x @ https://host/x.whl", "--index-url https://host/simple"],
        )
        .unwrap();
        assert_eq!(kept.lines.len(), 2);
        assert!(
            read(folder.path(), &EnvironmentSection::default())
                .unwrap()
                .is_empty()
        );
    }
}
