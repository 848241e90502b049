//! Tests of blobs: the same cases over a folder, over memory and over S3, then what only a folder has.
//! Each test owns its storage.

mod s3;

use bytes::Bytes;
use onstage_core::{Kind, ports::Blobs, value::BlobRef};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::Arc, time::Duration};

const LARGE_BYTES: usize = 20 * 1024 * 1024 + 7;

/// Expands every case into one test per storage.
macro_rules! on_all {
    ($($case:ident),+ $(,)?) => {
        mod in_folder { $(
            #[tokio::test]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let blobs = crate::blobs::folder(folder.path()).await.unwrap();
                super::$case(blobs).await;
                super::assert_nothing_staged(folder.path()).await;
            }
        )+ }
        mod in_memory { $(
            #[tokio::test]
            async fn $case() {
                super::$case(crate::blobs::open("memory:").await.unwrap()).await;
            }
        )+ }
        mod in_s3 { $(
            #[tokio::test]
            async fn $case() {
                let emulator = onstage_s3_emulator::S3Emulator::start();
                super::$case(super::s3::blobs_of(&emulator)).await;
                super::s3::assert_no_leftovers(&emulator).await;
            }
        )+ }
    };
}

on_all!(
    small_and_large_come_back_whole,
    ranges_are_exact_or_refused,
    missing_blobs_are_said_to_be_missing,
    lists_are_sorted_and_below_their_prefix,
    writers_of_one_key_leave_one_whole_blob,
    a_dropped_writer_leaves_nothing,
    strange_keys_are_refused_by_every_verb,
    fetching_makes_a_new_file,
    a_blob_that_arrives_damaged_leaves_no_file,
    readers_give_the_whole_range,
);

async fn small_and_large_come_back_whole(blobs: Arc<dyn Blobs>) {
    for size in [0, 1, 65_536, LARGE_BYTES] {
        let bytes = pattern(size, 3);
        let mut writer = blobs.writer("a/b").await.unwrap();
        for piece in bytes.chunks(1_000_003) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let blob = writer.finish().await.unwrap();
        assert_eq!((blob.key.as_str(), blob.size_bytes), ("a/b", size as u64));
        assert_eq!(blob.sha256, sha256(&bytes));
        assert_eq!(blobs.size("a/b").await.unwrap(), size as u64);
        assert!(blobs.get(&blob).await.unwrap() == bytes, "{size}");
    }
}

async fn ranges_are_exact_or_refused(blobs: Arc<dyn Blobs>) {
    blobs
        .put("r", Bytes::from_static(b"0123456789"))
        .await
        .unwrap();
    assert_eq!(blobs.read("r", 3..6).await.unwrap(), "345");
    assert_eq!(blobs.read("r", 0..10).await.unwrap(), "0123456789");
    assert_eq!(blobs.read("r", 9..10).await.unwrap(), "9");
    assert_eq!(blobs.read("r", 4..4).await.unwrap(), "");
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "the range is meant to be wrong"
    )]
    for range in [5..11, 10..11, 100..200, 11..11, 6..3] {
        let error = blobs.read("r", range.clone()).await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "{range:?}: {error}");
    }
}

async fn missing_blobs_are_said_to_be_missing(blobs: Arc<dyn Blobs>) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    let gone = [
        blobs.size("no").await.unwrap_err(),
        blobs.read("no", 0..1).await.unwrap_err(),
        blobs.read("no", 0..0).await.unwrap_err(),
        blobs.fetch(&blob("no", b""), &to).await.unwrap_err(),
    ];
    for error in gone {
        assert_eq!(error.kind, Kind::NotFound);
        assert!(error.message.contains("`no`"), "{error}");
    }
    assert!(!to.exists());
    blobs.delete("no").await.unwrap();
    blobs.put("yes", Bytes::from_static(b"1")).await.unwrap();
    blobs.delete("yes").await.unwrap();
    assert_eq!(blobs.size("yes").await.unwrap_err().kind, Kind::NotFound);
}

async fn lists_are_sorted_and_below_their_prefix(blobs: Arc<dyn Blobs>) {
    for key in ["b/2", "b/10", "b/c/1", "bb/1", "a/1", "b0"] {
        blobs.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    assert_eq!(blobs.list("b/").await.unwrap(), ["b/10", "b/2", "b/c/1"]);
    assert_eq!(blobs.list("none/").await.unwrap(), Vec::<String>::new());
    assert_eq!(blobs.list("").await.unwrap().len(), 6);
    assert_eq!(blobs.list("b").await.unwrap_err().kind, Kind::Invalid);
}

async fn writers_of_one_key_leave_one_whole_blob(blobs: Arc<dyn Blobs>) {
    let write = |seed: u8| {
        let blobs = Arc::clone(&blobs);
        async move {
            let bytes = pattern(9 * 1024 * 1024, seed);
            let mut writer = blobs.writer("same").await.unwrap();
            for piece in bytes.chunks(3_000_000) {
                writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
                tokio::task::yield_now().await;
            }
            writer.finish().await.unwrap()
        }
    };
    let written = futures::future::join_all((0..8).map(write)).await;
    let left = blobs.read("same", 0..9 * 1024 * 1024).await.unwrap();
    let left = sha256(&left);
    assert!(
        written.iter().any(|blob| blob.sha256 == left),
        "a mixture of two writers"
    );
}

async fn a_dropped_writer_leaves_nothing(blobs: Arc<dyn Blobs>) {
    for size in [10, LARGE_BYTES] {
        let mut writer = blobs.writer("d/half").await.unwrap();
        writer.write(pattern(size, 1)).await.unwrap();
        assert_eq!(blobs.size("d/half").await.unwrap_err().kind, Kind::NotFound);
        drop(writer);
    }
    let gone = blobs.size("d/half").await.unwrap_err();
    assert_eq!(gone.kind, Kind::NotFound);
    assert_eq!(blobs.list("").await.unwrap(), Vec::<String>::new());
}

async fn strange_keys_are_refused_by_every_verb(blobs: Arc<dyn Blobs>) {
    let folder = tempfile::tempdir().unwrap();
    for key in ["../out", "/etc/passwd", "a//b", "", "A", "a#1"] {
        let to = folder.path().join("to");
        let kinds = [
            blobs.writer(key).await.err().unwrap().kind,
            blobs.read(key, 0..1).await.unwrap_err().kind,
            blobs.size(key).await.unwrap_err().kind,
            blobs.fetch(&blob(key, b""), &to).await.unwrap_err().kind,
            blobs.delete(key).await.unwrap_err().kind,
            blobs.list(&format!("{key}x#/")).await.unwrap_err().kind,
        ];
        assert_eq!(kinds, [Kind::Invalid; 6], "{key:?}");
    }
}

async fn fetching_makes_a_new_file(blobs: Arc<dyn Blobs>) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    let bytes = pattern(3_000_000, 9);
    let put = blobs.put("f", bytes.clone()).await.unwrap();
    blobs.fetch(&put, &to).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == bytes);
    let error = blobs.fetch(&put, &to).await.unwrap_err();
    assert_eq!(
        error.kind,
        Kind::Conflict,
        "an existing file is never overwritten"
    );
    assert!(std::fs::read(&to).unwrap() == bytes);
}

async fn a_blob_that_arrives_damaged_leaves_no_file(blobs: Arc<dyn Blobs>) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    blobs.put("f", Bytes::from_static(b"1234")).await.unwrap();
    for expected in [b"1235".as_slice(), b"123"] {
        let error = blobs.fetch(&blob("f", expected), &to).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable);
        assert!(error.message.contains("digest"), "{error}");
        assert!(!to.exists());
    }
}

async fn readers_give_the_whole_range(blobs: Arc<dyn Blobs>) {
    let bytes = pattern(3_000_000, 4);
    blobs.put("r", bytes.clone()).await.unwrap();
    for range in [0..3_000_000, 5..5, 7..8, 1_000..2_900_001] {
        let mut reader = blobs.reader("r", range.clone(), 70_000).unwrap();
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            assert!(!piece.is_empty());
            read.extend_from_slice(&piece);
        }
        let (start, end) = (range.start as usize, range.end as usize);
        assert!(read == bytes[start..end], "{range:?}");
    }
    let mut missing = blobs.reader("no", 0..10, 70_000).unwrap();
    assert_eq!(missing.next().await.unwrap_err().kind, Kind::NotFound);
    let mut longer = blobs.reader("r", 2_999_000..3_000_001, 70_000).unwrap();
    let error = loop {
        match longer.next().await {
            Ok(piece) => assert!(piece.is_some(), "what is not there ended well"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
}

#[tokio::test]
async fn unknown_urls_are_refused_with_a_hint() {
    for url in ["", "blobs", "file://relative/x", "gs://bucket", "http://x"] {
        let error = crate::blobs::open(url).await.err().unwrap();
        assert_eq!(error.kind, Kind::Invalid, "{url}");
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn a_folder_keeps_its_blobs_over_openings() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/deep er/blobs", folder.path().display());
    let blobs = crate::blobs::open(&url).await.unwrap();
    blobs.put("k", Bytes::from_static(b"kept")).await.unwrap();
    drop(blobs);
    let blobs = crate::blobs::open(&url).await.unwrap();
    assert_eq!(blobs.read("k", 0..4).await.unwrap(), "kept");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = crate::blobs::folder(&file.join("below"))
        .await
        .err()
        .unwrap();
    assert!(error.message.contains("below"), "{error}");
}

fn blob(key: &str, bytes: &[u8]) -> BlobRef {
    BlobRef {
        key: key.to_owned(),
        size_bytes: bytes.len() as u64,
        sha256: sha256(bytes),
    }
}

fn pattern(size: usize, seed: u8) -> Bytes {
    (0..size)
        .map(|at| (at as u64 * 31 + u64::from(seed)).to_le_bytes()[0] ^ seed)
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Names of half-written files below a folder.
fn staged(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(staged(&entry.path())),
            false if name.contains('#') => found.push(name),
            false => {}
        }
    }
    found
}

/// Dropped writers remove their files on another thread: looks until none is left, or for too long.
async fn assert_nothing_staged(folder: &Path) {
    const LOOKS_MAX: u32 = 500;
    for _ in 0..LOOKS_MAX {
        if staged(folder).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("half-written files are left: {:?}", staged(folder));
}
