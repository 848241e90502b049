//! What may be a blob's key.
//! Pure; knows no storage.

use object_store::path::Path;
use onstage_core::{Error, Result};

const KEY_BYTES_MAX: usize = 512;

/// Checks a key: lower-case segments of `a-z0-9._-`, joined by `/`, none of them `.` or `..`.
pub(super) fn checked(key: &str) -> Result<Path> {
    let fits = key.len() <= KEY_BYTES_MAX && key.split('/').all(is_segment);
    if !fits {
        return Err(refused(key));
    }
    Path::parse(key).map_err(|error| refused(key).because(error))
}

/// Checks a prefix: a key and a `/`. The empty one means everything.
pub(super) fn checked_prefix(prefix: &str) -> Result<Option<Path>> {
    if prefix.is_empty() {
        return Ok(None);
    }
    match prefix.strip_suffix('/') {
        Some(key) => checked(key).map(Some),
        None => Err(refused(prefix).hint("a prefix ends in `/`")),
    }
}

fn is_segment(segment: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(fits)
}

fn refused(key: &str) -> Error {
    let shown: String = key.chars().take(80).collect();
    Error::invalid(format!("blob key `{shown}` is not allowed"))
        .hint("a key is lower-case segments of a-z, 0-9, `.`, `_` and `-`, joined by `/`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_leave_their_place() {
        for key in ["a", "bundles/0af3.tar.gz", "a/b/c_d-e", "a/..b"] {
            assert_eq!(checked(key).unwrap().as_ref(), key);
        }
        let long = "x".repeat(KEY_BYTES_MAX + 1);
        for key in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            "a/./b",
            "..",
            "A",
            "a b",
            "a%2e",
            "a\\b",
            "a\0b",
            "a#1",
            "ä",
            "file:///a",
            &long,
        ] {
            assert!(checked(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn prefixes_end_in_a_slash() {
        assert!(checked_prefix("").unwrap().is_none());
        assert_eq!(checked_prefix("a/b/").unwrap().unwrap().as_ref(), "a/b");
        for prefix in ["a", "/", "../", "a//"] {
            assert!(checked_prefix(prefix).is_err(), "{prefix:?}");
        }
    }
}
