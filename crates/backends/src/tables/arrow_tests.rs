//! Arrow as other programs write it, whole and with false lengths.

use super::{
    FileTables,
    arrow_read::ArrowReader,
    tests::{InMemory, damaged, file, open, read},
};
use onstage_core::{batch::TableFormat::Arrow, ports::Tables};
use serde_json::{Value, json};
use std::sync::Arc;

/// Written by pyarrow 26: a frame of pandas 3 packed with LZ4, a file of many types, and a stream packed with zstd whose categories grow.
#[test]
fn arrow_is_read_as_others_write_it() {
    let all = |bytes: &[u8]| -> Vec<Value> {
        let rows = open(bytes, Arrow).unwrap();
        rows.into_iter().map(Result::unwrap).collect()
    };
    let zone = "+00:00";
    assert_eq!(
        all(include_bytes!("golden/pandas.feather")),
        [
            json!({"name": "Zoë", "size": 1.5, "count": 1, "kind": "a", "at": format!("2024-01-02 02:04:05.678 {zone}"), "good": true}),
            json!({"name": null, "size": null, "count": -2, "kind": "b", "at": format!("2024-02-02 23:00:00 {zone}"), "good": false}),
            json!({"name": "c", "size": 3.0, "count": 3, "kind": "a", "at": format!("2024-03-03 23:00:00 {zone}"), "good": true}),
        ]
    );
    assert_eq!(
        all(include_bytes!("golden/types.arrow")),
        [
            json!({
                "tiny": 1, "large": u64::MAX, "half": 0.5, "near": 0.1, "text": "xxx", "view": "a view of more than twelve bytes",
                "bytes": "text", "price": "12.50", "day": "2024-02-29", "time": "01:02:03.500", "local": "2024-01-02 03:04:05",
                "took": "PT1.5S", "list": [1, null, 3], "pair": [1.0, 2.0], "point": {"x": 1, "y": "a"}, "map": {"a": 1, "b": 2},
                "nothing": null,
            }),
            json!({
                "tiny": null, "large": 0, "half": null, "near": null, "text": "", "view": null, "bytes": null, "price": null,
                "day": null, "time": null, "local": null, "took": null, "list": [], "pair": null, "point": null, "map": null,
                "nothing": null,
            }),
        ]
    );
    let stream = include_bytes!("golden/stream.arrow");
    let expected = [
        json!({"n": 1, "kind": "a"}),
        json!({"n": 2, "kind": "b"}),
        json!({"n": 3, "kind": "c"}),
    ];
    assert_eq!(all(stream), expected);
    assert_eq!(
        all(&stream[..stream.len() - 8]),
        expected,
        "the end's mark may be missing"
    );
    let (read, why) = damaged(&stream[..stream.len() - 9], Arrow);
    assert!(
        read == 2 && why.contains("row 3 cannot be read"),
        "{read}: {why}"
    );
}

/// What a file says of itself makes no room for what is not there.
#[test]
fn false_lengths_of_arrow_are_refused() {
    let source = |bytes: &'static [u8]| Arc::new(InMemory(bytes::Bytes::from_static(bytes)));
    let frame = include_bytes!("golden/pandas.feather");
    assert!(ArrowReader::open(source(frame), 10_000).is_ok());
    let told = ArrowReader::open(source(frame), 500).err().unwrap();
    assert!(told.to_string().contains("at most 500"), "{told}");
    // Every eight bytes in turn say that they are 2^40: the length before a packed column among them.
    for at in (0..frame.len() - 8).step_by(8) {
        let mut bytes = frame.to_vec();
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        let (_dir, path) = file(&bytes);
        if let Ok(reader) = FileTables.open(&path, Arrow) {
            let (rows, _) = read(reader);
            assert!(rows.len() <= 3, "{} rows", rows.len());
        }
    }
}
