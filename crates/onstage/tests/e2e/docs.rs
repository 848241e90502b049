//! Commands in the README and the guide name files that are there, as seen from the checkout.

use std::{fs, path::PathBuf};

#[test]
fn tables_in_the_documentation_are_in_the_checkout() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for document in ["README.md", "docs/guide.md", "examples/digits/README.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let tables: Vec<&str> = text
            .split("onstage batch ")
            .skip(1)
            .filter_map(|rest| rest.split_whitespace().nth(1))
            .collect();
        assert!(!tables.is_empty(), "{document} shows no batch job");
        for table in tables {
            assert!(
                root.join(table).is_file(),
                "{document}: `{table}` is not there"
            );
        }
    }
}
