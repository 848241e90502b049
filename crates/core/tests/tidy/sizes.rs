//! How long files and functions may be. What is already longer is listed with its length in `ratchet.txt`; the list may only shrink.

use crate::sources::{Source, read, report, root};
use std::collections::BTreeMap;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn files_and_functions_stay_small() {
    let ratchet = ratchet();
    let mut broken = Vec::new();
    let mut unused: Vec<&String> = ratchet.keys().collect();
    for source in read(is_counted) {
        for (name, lines, limit) in measures(&source) {
            if lines <= limit {
                continue;
            }
            match ratchet.get(&name) {
                Some(allowed) if lines <= *allowed => unused.retain(|listed| **listed != name),
                Some(allowed) => {
                    broken.push(format!("{name}: {lines} lines, {allowed} in the ratchet"));
                }
                None => broken.push(format!("{name}: {lines} lines, limit {limit}")),
            }
        }
    }
    broken.extend(
        unused
            .iter()
            .map(|name| format!("{name}: in the ratchet but small enough now; take it out")),
    );
    report("something grew too long; split it by what it owns", &broken);
}

fn is_counted(path: &str) -> bool {
    let ours = [
        "crates/",
        "python/",
        "ui/src/",
        "ui/e2e/",
        "scripts/",
        "bench/",
        "examples/",
        "templates/",
    ]
    .iter()
    .any(|part| path.starts_with(part));
    ours && [".rs", ".py", ".ts", ".tsx"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

fn ratchet() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(root().join("crates/core/tests/tidy/ratchet.txt"))
        .expect("the ratchet is there");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (name, lines) = line.rsplit_once(' ').expect("`name lines`");
            (name.to_owned(), lines.parse().expect("a number of lines"))
        })
        .collect()
}

/// The file's length, and in Rust each function's: rustfmt gives `fn` and its closing brace the same indent.
fn measures(source: &Source) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut all = vec![(source.path.clone(), lines.len(), FILE_LINES_MAX)];
    if source.path.ends_with(".rs") {
        for (start, line) in lines.iter().enumerate() {
            if let Some(name) = function_name(line) {
                let indent = line.len() - line.trim_start().len();
                let closing = format!("{}}}", " ".repeat(indent));
                let length = lines[start..]
                    .iter()
                    .position(|line| **line == closing)
                    .map_or(1, |end| end + 1);
                all.push((
                    format!("{}::{name}", source.path),
                    length,
                    FUNCTION_LINES_MAX,
                ));
            }
        }
    }
    all
}

fn function_name(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = rest
        .strip_prefix("pub(crate) ")
        .or_else(|| rest.strip_prefix("pub(super) "))
        .or_else(|| rest.strip_prefix("pub "))
        .unwrap_or(rest);
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let name = rest.strip_prefix("fn ")?;
    // A one-line function has no closing line of its own.
    (!line.trim_end().ends_with('}') && !line.trim_end().ends_with(';'))
        .then(|| name.split(['(', '<']).next().unwrap_or(name))
}
