//! What the first bytes of a text table tell: its encoding, and a CSV's delimiter.
//! Pure.

use onstage_core::{Error, Result};

/// So much of the file is looked at.
pub(super) const SAMPLE_BYTES: usize = 64 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Bytes to skip at the start: those of a UTF-8 mark. Errors: invalid, when the sample is not UTF-8.
pub(super) fn check_encoding(sample: &[u8]) -> Result<usize> {
    let hint = "save it as UTF-8 (in a spreadsheet: save as, CSV UTF-8)";
    if sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff") {
        return Err(Error::invalid("the table is UTF-16, not UTF-8").hint(hint));
    }
    if sample.starts_with(b"PK\x03\x04") {
        return Err(
            Error::invalid("the table is a spreadsheet or a zip file, not text")
                .hint("save it as CSV (UTF-8), and send that"),
        );
    }
    if sample.starts_with(b"PAR1") {
        return Err(Error::invalid("the table is a Parquet file").hint("name it `.parquet`"));
    }
    if let Some(at) = sample.iter().position(|byte| *byte == 0) {
        return Err(Error::invalid(format!(
            "the table is not text: line {} has a zero byte",
            line_of(sample, at)
        ))
        .hint("if it is UTF-16, save it as UTF-8"));
    }
    if let Err(error) = std::str::from_utf8(sample) {
        // A letter may be cut at the end of the sample.
        let cut = error.error_len().is_none() && sample.len() >= SAMPLE_BYTES;
        if !cut {
            return Err(Error::invalid(format!(
                "the table is not UTF-8: line {} has a byte that fits no letter",
                line_of(sample, error.valid_up_to())
            ))
            .hint(hint));
        }
    }
    Ok(if sample.starts_with(BOM) {
        BOM.len()
    } else {
        0
    })
}

fn line_of(sample: &[u8], at: usize) -> usize {
    sample[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The delimiter that the first line has most of, outside of quotes; a comma when it has none.
pub(super) fn delimiter(sample: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in sample {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if !quoted => {
                for (delimiter, count) in &mut counts {
                    *count += usize::from(delimiter == byte);
                }
            }
            _ => {}
        }
    }
    // The first wins a tie.
    counts
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(delimiter, _)| *delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_counted_outside_of_quotes() {
        assert_eq!(delimiter(b"a,b,c\n1;2;3;4;5\n"), b',');
        assert_eq!(delimiter(b"a;b;c\n"), b';');
        assert_eq!(delimiter(b"a\tb"), b'\t');
        assert_eq!(delimiter(b"\"a,b,c,d\";e"), b';');
        assert_eq!(delimiter(b"only\n"), b',');
        assert_eq!(delimiter(b"a;b,c\n"), b',');
    }

    #[test]
    fn encodings_are_told_apart() {
        assert_eq!(check_encoding(b"\xef\xbb\xbfa,b").unwrap(), 3);
        assert_eq!(check_encoding("zürich\n".as_bytes()).unwrap(), 0);
        for (bytes, expected) in [
            (b"\xff\xfea\0".as_slice(), "UTF-16"),
            (b"a,b\nz\xfcrich,1\n", "line 2"),
            (b"a\0,\0b\0", "zero byte"),
            (b"PK\x03\x04...", "spreadsheet"),
        ] {
            let error = check_encoding(bytes).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.hint.is_some());
        }
        let mut cut = vec![b'a'; SAMPLE_BYTES - 1];
        cut.push(0xc3);
        assert_eq!(check_encoding(&cut).unwrap(), 0);
    }
}
