//! The records of a PAX extended header: `length key=value\n`, read strictly.
//! Does not decide which keys matter.

/// Splits a PAX header into its records. Any disagreement about lengths is an error: it is how entries are smuggled.
pub(super) fn records(mut data: &[u8]) -> Result<Vec<(&str, &[u8])>, String> {
    let bad = || "a PAX header is malformed".to_owned();
    let mut found = Vec::new();
    while !data.is_empty() {
        let space = data.iter().position(|b| *b == b' ').ok_or_else(bad)?;
        let length: usize = std::str::from_utf8(&data[..space])
            .ok()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(bad)?;
        let record = data.get(space + 1..length).ok_or_else(bad)?;
        let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(bad)?;
        let key = std::str::from_utf8(&record[..equals]).map_err(|_| bad())?;
        found.push((key, &record[equals + 1..]));
        data = &data[length..];
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_length() {
        assert_eq!(
            records(b"13 path=a\nbc\n9 size=7\n").unwrap(),
            [("path", b"a\nbc".as_slice()), ("size", b"7".as_slice())]
        );
        for bad in [
            b"12 path=a\nbc\n".as_slice(),
            b"999 path=a\n",
            b"0 path=a\n",
            b"path=a\n",
            b"+9 size=7\n",
            b"7 size7\n",
        ] {
            assert!(records(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
