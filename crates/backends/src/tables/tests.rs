//! Tests of all formats with real files: what is written reads back, what is broken is told.

use super::FileTables;
use onstage_core::{
    Error, Result,
    batch::TableFormat::{self, Arrow, Csv, Jsonl, Parquet},
    ports::{ByteSource, TableReader, Tables},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

pub(super) fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

pub(super) fn open(bytes: &[u8], format: TableFormat) -> Result<Vec<Result<Value, String>>> {
    let (_dir, path) = file(bytes);
    let reader = FileTables.open(&path, format)?;
    let (rows, end) = read(reader);
    end.map(|()| rows)
}

/// The rows, and whether the end was one.
pub(super) fn read(mut reader: Box<dyn TableReader>) -> (Vec<Result<Value, String>>, Result<()>) {
    let mut rows = Vec::new();
    loop {
        match reader.next_row() {
            Ok(Some(row)) => rows.push(row.map(Value::Object)),
            Ok(None) => return (rows, Ok(())),
            Err(error) => {
                let again = reader.next_row().expect_err("it stays broken");
                assert_eq!(again.message, error.message);
                return (rows, Err(error));
            }
        }
    }
}

fn rows(reader: Box<dyn TableReader>) -> Vec<Result<Value, String>> {
    let (rows, end) = read(reader);
    end.expect("the table is whole");
    rows
}

/// What is read of a damaged table, and what is said of the damage.
pub(super) fn damaged(bytes: &[u8], format: TableFormat) -> (usize, String) {
    let (_dir, path) = file(bytes);
    let (rows, end) = read(FileTables.open(&path, format).unwrap());
    let error = end.expect_err("the table breaks off");
    assert_eq!(error.kind, onstage_core::Kind::Invalid);
    (rows.len(), error.to_string())
}

fn refusal(bytes: &[u8], format: TableFormat) -> Error {
    open(bytes, format).expect_err("the table is broken")
}

fn write(path: &Path, format: TableFormat, columns: &[&str], rows: &[Value]) -> Result<()> {
    let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let mut writer = FileTables.create(path, format, &columns)?;
    for row in rows {
        writer.write(row.as_object().unwrap())?;
    }
    writer.finish()
}

#[test]
fn csv_is_read_as_people_have_it() {
    let expected = vec![Ok(json!({"name": "Zoë", "size": "3,5"}))];
    for text in [
        "name,size\nZoë,\"3,5\"\n",
        "\u{feff}name;size\r\nZoë;3,5\r\n",
        "name\tsize\nZoë\t3,5",
        " name , size \nZoë,\"3,5\"\n\n",
    ] {
        assert_eq!(open(text.as_bytes(), Csv).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn a_ragged_csv_row_is_that_rows_error() {
    let rows = open(b"a,b\n1,2\n3\n4,5,6\n7,8\n", Csv).unwrap();
    assert_eq!(rows[0], Ok(json!({"a": "1", "b": "2"})));
    assert_eq!(
        rows[1],
        Err("line 3 has 1 cells, the header has 2".to_owned())
    );
    assert_eq!(
        rows[2],
        Err("line 4 has 3 cells, the header has 2".to_owned())
    );
    assert_eq!(rows[3], Ok(json!({"a": "7", "b": "8"})));
    assert_eq!(rows.len(), 4);
}

#[test]
fn a_csv_with_an_open_quote_ends_with_an_error_and_not_in_memory() {
    let mut text = b"a,b\n1,2\n\"open,2\n".to_vec();
    while text.len() < 40 << 20 {
        text.extend_from_slice(b"3,4 and some more text that makes the row longer and longer\n");
    }
    let (rows, error) = damaged(&text, Csv);
    assert_eq!(rows, 1);
    assert!(
        error.contains("from line 3 on is longer than 16 MiB"),
        "{error}"
    );
}

#[test]
fn a_quote_that_is_never_closed_is_no_end() {
    // The library counts the second half of a Windows line end to the next row.
    for (text, line) in [
        ("a,b\n1,2\n3,\"4\n5,6\n7,8\n", 3),
        ("a,b\n1,2\n\"3,4\n5,6", 3),
        ("a,b\r\n1,2\r\n3,\"\"\"4\r\n5,6\r\n", 2),
    ] {
        let (rows, error) = damaged(text.as_bytes(), Csv);
        assert_eq!(rows, 1, "{text:?}");
        let place = format!("line {line} on is never closed");
        assert!(error.contains(&place), "{error}");
    }
    let error = refusal(b"a,\"b\n1,2\n3,4\n", Csv);
    assert!(error.message.contains("never closed"), "{error}");
    let fine = open(b"a,b\n5\" pipe,\"x \"\"y\"\"\nz\"\n", Csv).unwrap();
    assert_eq!(fine, [Ok(json!({"a": "5\" pipe", "b": "x \"y\"\nz"}))]);
}

#[test]
fn a_json_line_without_an_end_is_told_as_damage() {
    let mut text = b"{\"a\": 1}\n{\"a\": \"".to_vec();
    text.resize(17 << 20, b'x');
    let (rows, error) = damaged(&text, Jsonl);
    assert_eq!(rows, 1);
    assert!(error.contains("line 2 is longer than 16 MiB"), "{error}");
}

#[test]
fn a_broken_table_is_told_as_a_whole() {
    let utf16: Vec<u8> = "\u{feff}a,b\n1,2\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, format, expected) in [
        (b"".as_slice(), Csv, "empty file"),
        (b"a,b\n", Csv, "no rows"),
        (b"a,a\n1,2\n", Csv, "two columns named `a`"),
        (b"a,,c\n1,2,3\n", Csv, "column 2 of the table has no name"),
        (&utf16, Csv, "UTF-16"),
        (b"name\nZ\xfcrich\n", Csv, "line 2"),
        (&utf16, Jsonl, "UTF-16"),
        (b"\n\n", Jsonl, "no rows"),
        (b"[{\"a\": 1}]", Jsonl, "one JSON list"),
        (b"a,b\n1,2\n", Jsonl, "line 1 is not JSON"),
        (b"a,b\n1,2\n", Parquet, "not a whole Parquet file"),
        (b"PAR1", Parquet, "not a whole Parquet file"),
        (b"a,b\n1,2\n", Arrow, "not a whole Arrow file"),
        (b"ARROW1\0\0", Arrow, "not a whole Arrow file"),
        (b"FEA1....FEA1", Arrow, "first version of Feather"),
        (b"\xff\xff\xff\xff\0\0\0\0", Arrow, "it holds nothing"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", Arrow, "at most"),
        (
            b"PAR1\x00\x00\x00\xff\xff\xff\x7fPAR1",
            Parquet,
            "not a whole Parquet file",
        ),
    ] {
        let error = refusal(bytes, format);
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn invalid_bytes_far_down_are_that_rows_error() {
    let mut text = b"a\n".to_vec();
    text.extend(std::iter::repeat_n(b"ok\n", 40_000).flatten());
    text.extend_from_slice(b"Z\xfcrich\nlast\n");
    let rows = open(&text, Csv).unwrap();
    assert_eq!(
        rows[40_000],
        Err("line 40002, column `a`: the cell is not UTF-8".to_owned())
    );
    assert_eq!(rows[40_001], Ok(json!({"a": "last"})));
}

#[test]
fn a_bad_json_line_is_that_rows_error() {
    let text = b"{\"a\": 1}\n\n{\"a\": NaN}\n[1]\n{\"a\": 2}";
    let rows = open(text, Jsonl).unwrap();
    assert_eq!(rows[0], Ok(json!({"a": 1})));
    assert!(
        rows[1]
            .as_ref()
            .unwrap_err()
            .starts_with("line 3 is not JSON"),
        "{rows:?}"
    );
    assert_eq!(rows[2], Err("line 4 is not an object".to_owned()));
    assert_eq!(rows[3], Ok(json!({"a": 2})));
    let deep = format!(
        "{{\"a\": 1}}\n{{\"a\": {}{}}}\n",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(open(deep.as_bytes(), Jsonl).unwrap()[1].is_err());
}

/// Formats whose columns have types.
const TYPED: [TableFormat; 2] = [Parquet, Arrow];

#[test]
fn columns_get_the_type_that_fits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    let columns = ["n", "x", "ok", "mixed", "big", "none", "list"];
    let rows_in = [
        json!({"n": 1, "x": 1, "ok": true, "mixed": 1, "big": u64::MAX, "none": null, "list": [1, 2]}),
        json!({"n": -9_007_199_254_740_993_i64, "x": 0.1, "ok": null, "mixed": "a", "big": 1, "list": {"k": "v"}}),
    ];
    for format in TYPED {
        write(&path, format, &columns, &rows_in).unwrap();
        let reader = FileTables.open(&path, format).unwrap();
        assert_eq!(reader.columns(), columns);
        assert_eq!(
            rows(reader),
            [
                Ok(
                    json!({"n": 1, "x": 1.0, "ok": true, "mixed": "1", "big": u64::MAX.to_string(), "none": null, "list": "[1,2]"})
                ),
                Ok(
                    json!({"n": -9_007_199_254_740_993_i64, "x": 0.1, "ok": null, "mixed": "a", "big": "1", "none": null, "list": "{\"k\":\"v\"}"})
                ),
            ]
        );
    }
}

#[test]
fn damaged_files_are_errors_wherever_the_damage_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    let many: Vec<Value> = (0..200)
        .map(|n| json!({"n": n, "s": format!("row {n}")}))
        .collect();
    for format in TYPED {
        write(&path, format, &["n", "s"], &many).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut differing = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            fs::write(&path, &bytes).unwrap();
            if let Ok(reader) = FileTables.open(&path, format) {
                let (rows, end) = read(reader);
                let all_there = end.is_err() || rows.len() == many.len();
                assert!(all_there, "{} rows after damage at {at}", rows.len());
                differing += usize::from(end.is_err() || rows.iter().any(Result::is_err));
            } else {
                differing += 1;
            }
        }
        assert!(
            differing > whole.len() / 10,
            "only {differing} of {} were noticed in {format:?}",
            whole.len()
        );
        fs::write(&path, &whole[..whole.len() - 100]).unwrap();
        assert!(FileTables.open(&path, format).is_err());
    }
}

#[test]
fn a_value_of_another_column_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for format in TableFormat::ALL {
        let path = dir.path().join(format.name());
        let error = write(&path, format, &["a"], &[json!({"a": 1, "b": 2})]).unwrap_err();
        assert_eq!(error.to_string(), "the table has no column `b`");
        let error = write(&path, format, &["a", "a"], &[]).unwrap_err();
        assert!(error.to_string().contains("two columns"), "{error}");
    }
}

fn cell() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Few digits: the JSON library is built without exact reading of the longest ones.
        (-1_000_000..1_000_000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "\\PC{0,12}".prop_map(Value::from),
        "[\"',;\t\n\r a]{0,8}".prop_map(Value::from),
    ]
}

fn table() -> impl Strategy<Value = Vec<Vec<Value>>> {
    prop::collection::vec(prop::collection::vec(cell(), 3), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn json_lines_read_back_as_written(table in table()) {
        let (_dir, path) = file(b"");
        let rows_in: Vec<Value> = table.iter().map(|r| json!({"a": r[0], "b": r[1], "c": r[2]})).collect();
        write(&path, Jsonl, &["a", "b", "c"], &rows_in).unwrap();
        let back: Vec<Value> = rows(FileTables.open(&path, Jsonl).unwrap()).into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(back, rows_in);
    }

    #[test]
    fn csv_reads_back_as_text(table in table()) {
        let (_dir, path) = file(b"");
        let rows_in: Vec<Value> = table.iter().map(|r| json!({"a": r[0], "b": r[1], "c": r[2]})).collect();
        write(&path, Csv, &["a", "b", "c"], &rows_in).unwrap();
        let back: Vec<Value> = rows(FileTables.open(&path, Csv).unwrap()).into_iter().map(Result::unwrap).collect();
        let text = |row: &Value| -> Vec<String> {
            row.as_object().unwrap().values().map(|v| super::cells::text(v).into_owned()).collect()
        };
        prop_assert_eq!(back.iter().map(text).collect::<Vec<_>>(), rows_in.iter().map(text).collect::<Vec<_>>());
    }

    #[test]
    fn columns_of_one_type_read_back_as_written(
        numbers in prop::collection::vec(prop::option::of(any::<i64>()), 1..50),
        words in prop::collection::vec(prop::option::of("\\PC{0,12}"), 50),
    ) {
        let (_dir, path) = file(b"");
        let rows_in: Vec<Value> = numbers.iter().zip(&words).map(|(n, w)| json!({"n": n, "w": w})).collect();
        for format in TYPED {
            write(&path, format, &["n", "w"], &rows_in).unwrap();
            let back: Vec<Value> = rows(FileTables.open(&path, format).unwrap()).into_iter().map(Result::unwrap).collect();
            prop_assert_eq!(&back, &rows_in);
        }
    }
}

/// Peak memory is a mark of the whole process; nextest runs each test in a process of its own.
#[cfg(target_os = "linux")]
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_rows_pass_in_constant_memory() {
    const ROWS: u64 = 1_000_000;
    const GROWTH_BYTES_MAX: u64 = 96 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.csv");
    let mut writer = BufWriter::new(fs::File::create(&path).unwrap());
    writeln!(writer, "n,text").unwrap();
    for n in 0..ROWS {
        writeln!(
            writer,
            "{n},some text that makes the file larger than the bound on memory: {n:>60}"
        )
        .unwrap();
    }
    writer.flush().unwrap();
    assert!(fs::metadata(&path).unwrap().len() > GROWTH_BYTES_MAX);
    let before = peak_bytes();
    let mut reader = FileTables.open(&path, Csv).unwrap();
    let columns = reader.columns().to_vec();
    let out = dir.path().join("big.parquet");
    let mut writer = FileTables.create(&out, Parquet, &columns).unwrap();
    let mut count = 0;
    while let Some(row) = reader.next_row().unwrap() {
        let row: Map<String, Value> = row.unwrap();
        if count % 10 == 0 {
            writer.write(&row).unwrap();
        }
        count += 1;
    }
    writer.finish().unwrap();
    assert_eq!(count, ROWS);
    let back = rows_counted(FileTables.open(&out, Parquet).unwrap());
    assert_eq!(back, ROWS / 10);
    let grown = peak_bytes() - before;
    assert!(
        grown < GROWTH_BYTES_MAX,
        "memory grew by {} MiB",
        grown >> 20
    );
}

#[cfg(target_os = "linux")]
fn rows_counted(mut reader: Box<dyn TableReader>) -> u64 {
    let mut count = 0;
    while let Some(row) = reader.next_row().unwrap() {
        row.unwrap();
        count += 1;
    }
    count
}

/// Bytes in memory that are read at any place.
pub(super) struct InMemory(pub(super) bytes::Bytes);

impl ByteSource for InMemory {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: std::ops::Range<u64>) -> Result<bytes::Bytes> {
        Ok(self.0.slice(range.start as usize..range.end as usize))
    }
}

#[test]
fn what_is_no_file_reads_like_one() {
    let columns = ["n".to_owned(), "text".to_owned()];
    for format in TableFormat::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        let mut writer = FileTables.create(&path, format, &columns).unwrap();
        for n in 0..30_000 {
            let row = json!({"n": n, "text": format!("a \"quoted\", text\n{n}")});
            writer.write(row.as_object().unwrap()).unwrap();
        }
        writer.finish().unwrap();
        let expected = rows(FileTables.open(&path, format).unwrap());
        let source = Arc::new(InMemory(fs::read(&path).unwrap().into()));
        assert!(source.size_bytes() > 100_000 || TYPED.contains(&format));
        let read = rows(FileTables.open_source(source, format).unwrap());
        assert!(read == expected && read.len() == 30_000, "{format:?}");
    }
    let empty = Arc::new(InMemory(bytes::Bytes::new()));
    let error = FileTables.open_source(empty, Csv).err().unwrap();
    assert!(error.to_string().contains("empty"), "{error}");
}
