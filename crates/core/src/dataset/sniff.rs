//! What the first bytes of a file say about its format, for files whose name says nothing.
//! Pure.

use super::DatasetFormat;
use serde_json::{Map, Value};

/// So much of a file is looked at.
pub const HEAD_BYTES: usize = 4096;

/// Where a tar says that it is one.
const TAR_MARK_AT: usize = 257;

impl DatasetFormat {
    /// By a format's own mark, or for text by its first line. `head` is the beginning of the file, all of it when it is short.
    pub fn sniff(head: &[u8]) -> Self {
        let marks: [(&[u8], Self); 4] = [
            (b"PAR1", Self::Parquet),
            (b"ARROW1", Self::Arrow),
            (b"PK\x03\x04", Self::Zip),
            (b"PK\x05\x06", Self::Zip),
        ];
        if let Some((_, format)) = marks.iter().find(|(mark, _)| head.starts_with(mark)) {
            return *format;
        }
        if head
            .get(TAR_MARK_AT..)
            .is_some_and(|rest| rest.starts_with(b"ustar"))
        {
            return Self::Tar;
        }
        first_line(head).map_or(Self::Other, of_line)
    }
}

/// The first line of text; none when these bytes are no text or the line does not end in them.
fn first_line(head: &[u8]) -> Option<&str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let whole = head.len() < HEAD_BYTES - 3;
    let end = head.iter().position(|byte| *byte == b'\n');
    let line = &head[..end.or(whole.then_some(head.len()))?];
    let line = std::str::from_utf8(line).ok()?;
    let is_text = |c: char| !c.is_control() || c == '\t' || c == '\r';
    line.chars().all(is_text).then_some(line.trim_end())
}

fn of_line(line: &str) -> DatasetFormat {
    if line.starts_with('{') {
        return match serde_json::from_str::<Map<String, Value>>(line) {
            Ok(_) => DatasetFormat::Jsonl,
            Err(_) => DatasetFormat::Other,
        };
    }
    let delimited = line.contains([',', ';', '\t']) && !line.starts_with(['[', '<', '#']);
    if delimited {
        DatasetFormat::Csv
    } else {
        DatasetFormat::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_the_format() {
        let mut tar = vec![0; 512];
        tar[TAR_MARK_AT..TAR_MARK_AT + 5].copy_from_slice(b"ustar");
        let long = format!("{}\n", "a,".repeat(HEAD_BYTES));
        for (head, format) in [
            (b"PAR1\x15\x04".as_slice(), DatasetFormat::Parquet),
            (b"ARROW1\0\0", DatasetFormat::Arrow),
            (b"PK\x03\x04\x14", DatasetFormat::Zip),
            (&tar, DatasetFormat::Tar),
            (b"{\"a\": 1}\n{\"a\": 2}\n", DatasetFormat::Jsonl),
            (b"{\n  \"a\": 1\n}", DatasetFormat::Other),
            (b"\xef\xbb\xbflength,weight\r\n1,2\r\n", DatasetFormat::Csv),
            (b"a;b", DatasetFormat::Csv),
            (b"# notes, more notes\n", DatasetFormat::Other),
            (b"<html>, and so on\n", DatasetFormat::Other),
            (b"[1, 2]", DatasetFormat::Other),
            (b"\x89PNG\r\n\x1a\n,", DatasetFormat::Other),
            (b"a\0,b\n", DatasetFormat::Other),
            (&long.as_bytes()[..HEAD_BYTES], DatasetFormat::Other),
            (b"", DatasetFormat::Other),
        ] {
            assert_eq!(DatasetFormat::sniff(head), format, "{head:?}");
        }
    }
}
