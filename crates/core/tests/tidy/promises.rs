//! The tests that `docs/promises.md` names are there.

use crate::sources::{read, report, root};

#[test]
fn every_promise_has_its_tests() {
    let text =
        std::fs::read_to_string(root().join("docs/promises.md")).expect("the promises are there");
    let sources = read(|path| path.ends_with(".rs"));
    let mut broken = Vec::new();
    let mut named = 0;
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    for row in rows {
        let tests = row
            .trim_end_matches([' ', '|'])
            .rsplit(" | ")
            .next()
            .unwrap_or("");
        for test in tests.split('`').skip(1).step_by(2) {
            named += 1;
            let function = format!("fn {test}(");
            if !sources.iter().any(|source| source.text.contains(&function)) {
                broken.push(format!("`{test}`"));
            }
        }
    }
    assert!(named > 30, "only {named} tests are named");
    report("docs/promises.md names a test that is not there", &broken);
}
