//! Every source file's first line says what it owns.

use crate::sources::{read, report};

#[test]
fn every_file_begins_by_saying_what_it_owns() {
    let mut broken = Vec::new();
    for source in read(is_product) {
        let first = source
            .text
            .lines()
            .find(|line| !line.starts_with("#!"))
            .unwrap_or("");
        let says = match source.path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("rs") => first.starts_with("//!"),
            Some("py") => first.starts_with("\"\"\"") || source.text.trim().is_empty(),
            Some("ts" | "tsx" | "mjs") => first.starts_with("//") || first.starts_with("/*"),
            Some("sh") => first.starts_with('#'),
            _ => true,
        };
        if !says {
            broken.push(format!("{}: {first}", source.path));
        }
    }
    report(
        "a file does not begin with a sentence that says what it owns",
        &broken,
    );
}

fn is_product(path: &str) -> bool {
    let parts = [
        "crates/",
        "python/onstage/",
        "ui/src/",
        "examples/",
        "templates/",
        "scripts/",
        "bench/",
    ];
    let endings = [".rs", ".py", ".ts", ".tsx", ".mjs", ".sh"];
    parts.iter().any(|part| path.starts_with(part))
        && endings.iter().any(|ending| path.ends_with(ending))
        && !path.ends_with(".d.ts")
}
