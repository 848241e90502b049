//! How deep JSON is nested, without parsing it: deep nesting is what makes parsers and validators fall over.
//! Does not check that it is JSON.

/// Whether `json` is nested deeper than `levels_max`.
pub(crate) fn exceeds(json: &[u8], levels_max: usize) -> bool {
    let mut level = 0_usize;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at = end_of_string(json, at + 1),
            b'{' | b'[' => {
                level += 1;
                if level > levels_max {
                    return true;
                }
            }
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    false
}

/// The place of the quote that ends a string, or the end of the text.
fn end_of_string(json: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_nesting_counts() {
        assert!(!exceeds(b"[[1],[2],[3]]", 2));
        assert!(exceeds(b"[[[1]]]", 2));
        assert!(!exceeds(br#"["[[[[", "\"[[[["]"#, 1));
        assert!(exceeds("[".repeat(10_000).as_bytes(), 64));
        assert!(!exceeds(b"\"\\", 1));
        assert!(!exceeds(b"]]]]", 0));
    }
}
