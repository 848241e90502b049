//! The golden frames, read by the Rust codec: what each must decode to, and which must be refused.
//! The Python codec reads the same files in `python/tests/test_frames.py`.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use bytes::{Bytes, BytesMut};
use onstage_core::wire::{Frame, FromWorker};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn frames() -> Vec<(String, Vec<u8>, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/frames");
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "bin"))
        .map(|path| {
            let says =
                serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
                says,
            )
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() > 30, "only {} golden frames", all.len());
    all
}

fn unhex(text: &str) -> Bytes {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn good_frames_decode_to_what_they_say_and_encode_to_the_same_bytes() {
    for (name, bytes, says) in frames()
        .into_iter()
        .filter(|(name, ..)| !name.starts_with("bad-"))
    {
        let mut buffer = BytesMut::from(&bytes[..]);
        let frame = Frame::decode(&mut buffer)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .unwrap_or_else(|| panic!("{name}: not whole"));
        assert!(buffer.is_empty(), "{name}: bytes are left");
        let attachments: Vec<Bytes> = says["attachments_hex"]
            .as_array()
            .map(|all| all.iter().map(|one| unhex(one.as_str().unwrap())).collect())
            .unwrap_or_default();
        assert_eq!(frame.attachments, attachments, "{name}");
        let mut header: Value =
            serde_json::from_slice(&frame.header).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut expected = says["header"].clone();
        for value in [&mut header, &mut expected] {
            value.as_object_mut().unwrap().remove("attachments");
        }
        assert_eq!(header, expected, "{name}");
        let mut again = BytesMut::new();
        frame.encode(&mut again);
        assert_eq!(again, bytes, "{name}");
        // The host's own words share a few names with the worker's.
        if !matches!(
            name.as_str(),
            "state-answer"
                | "state-error"
                | "checkpoint-answer"
                | "checkpoint-error"
                | "dataset-answer"
                | "dataset-error"
        ) {
            FromWorker::parse(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn bad_frames_are_refused_by_the_codec_or_the_parser() {
    for (name, bytes, _) in frames()
        .into_iter()
        .filter(|(name, ..)| name.starts_with("bad-"))
    {
        let mut buffer = BytesMut::from(&bytes[..]);
        let accepted = match Frame::decode(&mut buffer) {
            Ok(Some(frame)) => FromWorker::parse(&frame).is_ok(),
            Ok(None) => panic!("{name}: waits for more"),
            Err(_) => false,
        };
        assert!(!accepted, "{name} was accepted");
    }
}
