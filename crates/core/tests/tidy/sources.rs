//! Finds and reads the files that git tracks (or would: untracked ones that it does not ignore).

use std::{path::PathBuf, process::Command};

pub(crate) struct Source {
    /// Relative to the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The part before the file's own unit tests, where the rules for product code hold.
    pub(crate) fn product(&self) -> &str {
        let mut at = 0;
        let mut marked = false;
        for line in self.text.split_inclusive('\n') {
            if marked && line.trim_end().ends_with('{') {
                return &self.text[..at];
            }
            marked = line.trim_end() == "#[cfg(test)]";
            at += line.len();
        }
        &self.text
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every text file whose path `wanted` accepts.
pub(crate) fn read(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let sources: Vec<Source> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter(|path| wanted(path))
        .filter_map(|path| {
            let text = std::fs::read_to_string(root().join(path)).ok()?;
            Some(Source {
                path: path.to_owned(),
                text,
            })
        })
        .collect();
    assert!(
        !sources.is_empty(),
        "the rule looks at no file: it cannot fail"
    );
    sources
}

pub(crate) fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}\n", broken.join("\n  "));
}
