//! Who may use whom: the import table of ARCHITECTURE.md.

use crate::sources::{read, report};

struct Border {
    /// Files whose path starts so …
    part: &'static str,
    /// … except these, which exist to join parts.
    except: &'static [&'static str],
    /// … must not contain any of these.
    never: &'static [&'static str],
}

const BORDERS: &[Border] = &[
    Border {
        part: "crates/core/src/",
        except: &[],
        never: &[
            "tokio",
            "std::net",
            "std::fs",
            "std::env",
            "std::process",
            "axum",
            "hyper::",
            "sea_orm",
            "object_store",
        ],
    },
    Border {
        part: "crates/engine/src/",
        except: &[],
        never: &[
            "axum",
            "hyper::",
            "reqwest",
            "sea_orm",
            "object_store",
            "onstage_backends",
            "std::env",
            "toml::",
        ],
    },
    Border {
        part: "crates/backends/src/",
        except: &[],
        never: &["onstage_engine", "axum", "hyper::"],
    },
    Border {
        part: "crates/onstage/src/gateway/",
        except: &[],
        never: &[
            "sea_orm",
            "object_store",
            "ports::Driver",
            "ports::Launcher",
            "onstage_backends::process",
            "onstage_backends::store::sql",
            "std::env",
        ],
    },
    Border {
        part: "crates/onstage/src/cli/",
        except: &[
            "crates/onstage/src/cli/serve.rs",
            "crates/onstage/src/cli/dev.rs",
            "crates/onstage/src/cli/dev/",
            "crates/onstage/src/cli/task.rs",
            "crates/onstage/src/cli/plan.rs",
            "crates/onstage/src/cli/plan/",
        ],
        never: &[
            "onstage_engine",
            "sea_orm",
            "object_store",
            "onstage_backends::store",
            "onstage_backends::process",
            "std::env::var",
        ],
    },
    // `plan` asks the simulator, which is pure; what runs anything stays out of its reach.
    Border {
        part: "crates/onstage/src/cli/plan",
        except: &[],
        never: &[
            "onstage_engine::{",
            "onstage_engine::Engine",
            "onstage_engine::Parts",
            "onstage_engine::engine",
            "onstage_engine::worker",
            "onstage_backends",
            "sea_orm",
            "object_store",
            "std::env::var",
        ],
    },
];

#[test]
fn parts_know_only_whom_they_may() {
    let sources = read(|path| path.ends_with(".rs"));
    let mut broken = Vec::new();
    for border in BORDERS {
        let mut looked_at = 0;
        for source in sources
            .iter()
            .filter(|source| source.path.starts_with(border.part) && !is_test_file(&source.path))
        {
            looked_at += 1;
            if border
                .except
                .iter()
                .any(|exception| source.path.starts_with(exception))
            {
                continue;
            }
            for line in source
                .product()
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                broken.extend(
                    border
                        .never
                        .iter()
                        .filter(|word| line.contains(**word))
                        .map(|word| format!("{}: `{word}` in: {}", source.path, line.trim())),
                );
            }
        }
        assert!(looked_at > 0, "no file under {}", border.part);
    }
    report(
        "an import crosses a border (see the table in ARCHITECTURE.md)",
        &broken,
    );
}

/// Files that are compiled for tests only may join parts.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_test.rs")
        || path.ends_with("_tests.rs")
        || path.contains("/testing/")
        || path.contains("/suite/")
}

#[test]
fn unsafe_code_lives_in_one_module() {
    let broken: Vec<String> = read(|path| path.starts_with("crates/") && path.ends_with(".rs"))
        .iter()
        .filter(|source| {
            !source.path.starts_with("crates/backends/src/process/")
                && !source.path.contains("/tests/")
        })
        .filter(|source| {
            source.text.contains("unsafe {")
                || source.text.contains("unsafe fn")
                || source.text.contains("allow(unsafe_code")
        })
        .map(|source| source.path.clone())
        .collect();
    report("unsafe code outside of backends/process", &broken);
}
