//! What only S3 has: links, and a storage that is ill.
//! Knows nothing of the signatures.

use super::{blob, pattern, sha256};
use crate::blobs::s3::open_with;
use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use onstage_core::{
    Kind,
    ports::{Blobs, PutLink},
    value::BlobRef,
};
use onstage_s3_emulator::{BUCKET, Fault, S3Emulator};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const A_WHILE: Duration = Duration::from_secs(60);

/// Below a prefix, as an installation that shares its bucket has it.
pub(super) fn blobs_of(emulator: &S3Emulator) -> Arc<dyn Blobs> {
    let variables = emulator.variables();
    let builder = variables
        .iter()
        .fold(AmazonS3Builder::new(), |builder, (name, value)| {
            let key = name.to_ascii_lowercase().parse();
            builder.with_config(key.unwrap(), value)
        });
    Arc::new(open_with(&format!("{BUCKET}/on/stage"), builder).unwrap())
}

/// Dropped writers take their uploads back on another thread: looks until none is left, or for too long.
pub(super) async fn assert_no_leftovers(emulator: &S3Emulator) {
    const LOOKS_MAX: u32 = 500;
    for _ in 0..LOOKS_MAX {
        if emulator.leftovers().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("uploads are left: {:?}", emulator.leftovers());
}

#[tokio::test]
async fn a_link_takes_its_bytes_and_no_others() {
    let emulator = S3Emulator::start();
    let blobs = blobs_of(&emulator);
    assert!(blobs.gives_links());
    let right = pattern(100_000, 7);
    let blob = blob("uploads/u/1", &right);
    let link = blobs.put_link(&blob, A_WHILE).await.unwrap();

    let mut other = right.to_vec();
    other[5] ^= 1;
    for wrong in [other.into(), right.slice(1..), Bytes::new()] {
        assert!((400..500).contains(&put(&link, wrong).await));
    }
    assert_eq!(put(&elsewhere(&link), right.clone()).await, 403);
    let mut bare = link.clone();
    bare.headers.clear();
    assert_eq!(put(&bare, right.clone()).await, 403);

    assert_eq!(put(&link, right.clone()).await, 200);
    assert!(blobs.get(&blob).await.unwrap() == right);
}

#[tokio::test]
async fn a_link_that_is_over_takes_nothing() {
    let emulator = S3Emulator::start();
    let blobs = blobs_of(&emulator);
    let blob = blob("a", b"1");
    let link = blobs.put_link(&blob, Duration::from_secs(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_100)).await; // the emulator's clock is a real one
    assert_eq!(put(&link, Bytes::from_static(b"1")).await, 403);
}

#[tokio::test]
async fn folders_give_no_links() {
    let blobs = crate::blobs::memory();
    assert!(!blobs.gives_links());
    let error = blobs.put_link(&blob("a", b"1"), A_WHILE).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
}

#[tokio::test]
async fn a_link_needs_a_digest() {
    let blobs = blobs_of(&S3Emulator::start());
    let mut blob = blob("a", b"1");
    blob.sha256 = "what".to_owned();
    let error = blobs.put_link(&blob, A_WHILE).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
}

#[tokio::test]
async fn credentials_that_are_wrong_are_told_as_denied() {
    let emulator = S3Emulator::start();
    let builder = AmazonS3Builder::new()
        .with_endpoint(emulator.url())
        .with_allow_http(true)
        .with_access_key_id("NOBODY")
        .with_secret_access_key("nothing");
    let blobs: Arc<dyn Blobs> = Arc::new(open_with(BUCKET, builder).unwrap());
    let error = blobs.put("a", Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert!(error.hint.is_some_and(|hint| hint.contains("credentials")));
}

/// F40: a fifth of the requests fails, breaks off, comes short or changes on the way.
#[tokio::test]
async fn an_ill_storage_gives_the_right_bytes_or_an_error() {
    const BLOBS: u8 = 240;
    let emulator = S3Emulator::start();
    let blobs = blobs_of(&emulator);
    let calls = async |count: &mut Outcomes| {
        let before = emulator.requests();
        for seed in 0..BLOBS {
            let size = match seed % 16 {
                0 => 9 << 20,
                other => usize::from(other) * 7_919,
            };
            round_trip(&*blobs, seed, size, count).await;
        }
        emulator.requests() - before
    };
    let mut well = Outcomes::new();
    let expected = calls(&mut well).await;
    assert_eq!(well.keys().copied().collect::<Vec<_>>(), ["right"]);

    emulator.fall_ill();
    let mut ill = Outcomes::new();
    let needed = calls(&mut ill).await;
    emulator.get_well();
    let faults = emulator.faults();
    assert!(faults.len() == 5, "{faults:?}");
    let errors = ill.get("error").copied().unwrap_or_default();
    assert!(ill["right"] > 4 * errors, "{ill:?}");
    assert!(needed * 10 <= expected * 13, "{needed} for {expected}");
    // Uploads that were begun by an answer that nobody got: the bucket's rule removes them.
    let unknown = faults[&Fault::Reset] + faults[&Fault::Truncated];
    assert!((emulator.leftovers().len() as u64) < unknown / 4);
}

type Outcomes = BTreeMap<&'static str, u32>;

/// Puts, reads and fetches; whatever answers must answer right.
async fn round_trip(blobs: &dyn Blobs, seed: u8, size: usize, outcomes: &mut Outcomes) {
    let mut told = |outcome| *outcomes.entry(outcome).or_default() += 1;
    let bytes = pattern(size, seed);
    let Ok(blob) = written(blobs, &format!("f40/{seed}"), &bytes).await else {
        return told("error");
    };
    assert_eq!(blob.sha256, sha256(&bytes));
    match blobs.get(&blob).await {
        Ok(got) => {
            assert!(got == bytes, "other bytes were read");
            told("right");
        }
        Err(_) => told("error"),
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    match blobs.fetch(&blob, &to).await {
        Ok(()) => {
            assert!(std::fs::read(&to).unwrap() == bytes, "other bytes came");
            told("right");
        }
        Err(_) => {
            assert!(!to.exists());
            told("error");
        }
    }
}

async fn written(blobs: &dyn Blobs, key: &str, bytes: &Bytes) -> onstage_core::Result<BlobRef> {
    let mut writer = blobs.writer(key).await?;
    for piece in bytes.chunks(1 << 20) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    writer.finish().await
}

/// The status of the answer.
async fn put(link: &PutLink, bytes: Bytes) -> u16 {
    let mut request = reqwest::Client::new().put(&link.url);
    for (name, value) in &link.headers {
        request = request.header(name, value);
    }
    request.body(bytes).send().await.unwrap().status().as_u16()
}

/// The link with another key in its path.
fn elsewhere(link: &PutLink) -> PutLink {
    PutLink {
        url: link.url.replace("/uploads/u/1?", "/uploads/u/2?"),
        headers: link.headers.clone(),
    }
}
