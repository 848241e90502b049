//! What may not be committed: machine paths, registry addresses, work nobody owns.

use crate::sources::{read, report};

#[test]
fn lock_files_name_no_registry() {
    let broken: Vec<String> =
        read(|path| path.ends_with("package-lock.json") || path.ends_with("requirements-test.txt"))
            .iter()
            .filter(|source| {
                source.text.contains("http://") || source.text.contains("\"resolved\": \"http")
            })
            .map(|source| source.path.clone())
            .collect();
    report("a lock file names a registry's address", &broken);
}

#[test]
fn every_todo_has_an_issue() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let mut broken = Vec::new();
    for source in read(is_code) {
        for (number, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) && !line.contains('#') {
                broken.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    report("unfinished work without an issue number", &broken);
}

#[test]
fn no_test_sleeps_to_wait_for_something() {
    let mut broken = Vec::new();
    for source in read(|path| path.ends_with(".rs") && path.contains("/tests/e2e/")) {
        for (number, line) in source.text.lines().enumerate() {
            if (line.contains("thread::sleep(") || line.contains("time::sleep("))
                && !line.contains("// poll")
            {
                broken.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    report("a test sleeps instead of polling with a deadline", &broken);
}

fn is_code(path: &str) -> bool {
    let endings = [".rs", ".py", ".ts", ".tsx", ".mjs", ".sh", "Makefile"];
    endings.iter().any(|ending| path.ends_with(ending)) && !path.contains("node_modules")
}
