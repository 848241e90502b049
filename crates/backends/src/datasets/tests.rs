//! Datasets on this host with real files, also by several at once.

use super::HostDatasets;
use crate::blobs;
use onstage_core::{
    Kind, Timestamp,
    dataset::{DatasetFormat, DatasetSource, DatasetVersion},
    ports::{Blobs, DatasetPlace},
};
use std::{
    fs::{self, File, FileTimes},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};
use zip::{ZipWriter, write::SimpleFileOptions};

async fn version(blobs: &dyn Blobs, name: &str, bytes: Vec<u8>) -> DatasetVersion {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let key = format!("datasets/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    DatasetVersion {
        dataset: "d".parse().unwrap(),
        number: 1,
        blob: blobs.put(&key, bytes.into()).await.unwrap(),
        file_name: name.to_owned(),
        media_type: String::new(),
        format: DatasetFormat::of_file_name(name).unwrap_or(DatasetFormat::Other),
        source: DatasetSource::Upload,
        by: "somebody".parse().unwrap(),
        created_at: Timestamp(0),
    }
}

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn entries(data: &Path) -> Vec<String> {
    let found = fs::read_dir(data.join("datasets")).unwrap();
    let names = found.map(|one| one.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_lies_there_once_under_its_names() {
    let (data, blobs) = (tempfile::tempdir().unwrap(), blobs::memory());
    let place = HostDatasets::new(data.path(), blobs.clone(), u64::MAX);
    let one = version(&*blobs, "fish.csv", b"a,b\n".to_vec()).await;
    let placed = place.place(&one.content()).await.unwrap();
    assert!(placed.path.ends_with("fish.csv"));
    assert_eq!(fs::read(&placed.path).unwrap(), b"a,b\n");
    let mode = fs::metadata(&placed.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    // The bytes are here: they are not asked for again.
    blobs.delete(&one.blob.key).await.unwrap();
    for (name, expected) in [
        ("other.txt", "other.txt"),
        ("..", "d.csv"),
        ("a/b", "d.csv"),
        ("", "d.csv"),
    ] {
        let named = DatasetVersion {
            file_name: name.to_owned(),
            ..one.clone()
        };
        let again = place.place(&named.content()).await.unwrap();
        assert!(again.path.ends_with(expected), "{}", again.path.display());
        assert!(again.path.starts_with(data.path().join("datasets")));
        assert_eq!(fs::read(&again.path).unwrap(), b"a,b\n");
    }
    assert_eq!(entries(data.path()).len(), 1);
}

#[tokio::test]
async fn archives_are_folders() {
    let (data, blobs) = (tempfile::tempdir().unwrap(), blobs::memory());
    let place = HostDatasets::new(data.path(), blobs.clone(), u64::MAX);
    let zip = zipped(&[("a/b.txt", "hello"), ("c.txt", "there")]);
    let one = version(&*blobs, "photos.zip", zip).await;
    let placed = place.place(&one.content()).await.unwrap();
    assert_eq!(fs::read(placed.path.join("a/b.txt")).unwrap(), b"hello");
    let plain = DatasetVersion {
        format: DatasetFormat::Other,
        ..one
    };
    let file = place.place(&plain.content()).await.unwrap();
    assert!(file.path.ends_with("photos.zip") && file.path.is_file());

    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o777);
    header.set_cksum();
    tar.append_data(&mut header, "deep/er/x", b"hello".as_slice())
        .unwrap();
    let tar = tar.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    for (name, bytes) in [("x.tar", tar), ("x.tar.gz", gzip.finish().unwrap())] {
        let one = version(&*blobs, name, bytes).await;
        let placed = place.place(&one.content()).await.unwrap();
        let text = fs::read(placed.path.join("deep/er/x")).unwrap();
        assert_eq!(text, b"hello", "{name}");
    }
    assert_eq!(entries(data.path()).len(), 4, "nothing is left half-way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_fetch_it_once() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let blobs = blobs::folder(folder.path()).await.unwrap();
    let one = version(&*blobs, "big.bin", vec![7; 20 << 20]).await;
    let places = (0..8).map(|_| HostDatasets::new(data.path(), blobs.clone(), u64::MAX));
    let asked = places.map(|place| {
        let one = one.clone();
        tokio::task::spawn_blocking(move || {
            tokio::runtime::Handle::current()
                .block_on(place.place(&one.content()))
                .unwrap()
        })
    });
    let placed = futures::future::join_all(asked).await;
    let paths: std::collections::BTreeSet<_> = placed
        .iter()
        .map(|one| one.as_ref().unwrap().path.clone())
        .collect();
    assert_eq!(paths.len(), 1);
    assert_eq!(
        fs::metadata(paths.first().unwrap()).unwrap().len(),
        20 << 20
    );
    assert_eq!(entries(data.path()).len(), 1);
}

/// Who reads it may do so for days; who wanted to make it meanwhile reads it as well.
#[tokio::test]
async fn what_another_made_is_taken_while_others_read_it() {
    let data = tempfile::tempdir().unwrap();
    let blobs = blobs::folder(&data.path().join("blobs")).await.unwrap();
    let one = version(&*blobs, "fish.csv", b"a,b\n".to_vec()).await;
    let place = HostDatasets::new(data.path(), blobs.clone(), u64::MAX);
    let folder = data.path().join("datasets");
    fs::create_dir_all(&folder).unwrap();
    let entry = crate::shelf::Entry::at(folder.join(super::named::entry(&one.content())));
    let reads = entry.shared().await.unwrap();
    let content = one.content();
    let mut comes = place.place(&content);
    let moment = Duration::from_millis(100);
    let waits = tokio::time::timeout(moment, &mut comes).await.is_err();
    assert!(waits, "somebody is before it");
    fs::create_dir(entry.place()).unwrap();
    fs::write(entry.place().join("content"), "a,b\n").unwrap();
    let placed = tokio::time::timeout(Duration::from_secs(20), comes).await;
    let placed = placed.expect("not for those who read").unwrap();
    assert_eq!(fs::read(&placed.path).unwrap(), b"a,b\n");
    drop(reads);
}

fn used_at(data: &Path, version: &DatasetVersion, second: u64) {
    let lock = data.join(format!("datasets/{}-file.lock", version.blob.sha256));
    let at = UNIX_EPOCH + Duration::from_secs(second);
    let file = File::options().write(true).open(lock).unwrap();
    file.set_times(FileTimes::new().set_modified(at)).unwrap();
}

#[tokio::test]
async fn the_longest_unused_makes_room_and_what_is_used_stays() {
    let (data, blobs) = (tempfile::tempdir().unwrap(), blobs::memory());
    let place = HostDatasets::new(data.path(), blobs.clone(), 250);
    let mut versions = Vec::new();
    for name in ["a", "bb", "ccc", "dddd"] {
        versions.push(version(&*blobs, name, name.as_bytes().repeat(100 / name.len())).await);
    }
    let held = place.place(&versions[0].content()).await.unwrap();
    place.place(&versions[1].content()).await.unwrap();
    for (version, second) in versions.iter().zip([1, 2]) {
        used_at(data.path(), version, second);
    }
    place.place(&versions[2].content()).await.unwrap();
    let there = |version: &DatasetVersion| {
        entries(data.path()).contains(&format!("{}-file", version.blob.sha256))
    };
    assert!(held.path.exists(), "it is the oldest, but in use");
    assert_eq!(
        versions[..3].iter().map(there).collect::<Vec<_>>(),
        [true, false, true]
    );
    used_at(data.path(), &versions[0], 1);
    drop(held);
    place.place(&versions[3].content()).await.unwrap();
    assert_eq!(
        versions.iter().map(there).collect::<Vec<_>>(),
        [false, false, true, true]
    );
    let back = place.place(&versions[0].content()).await.unwrap();
    assert_eq!(fs::read(back.path).unwrap(), b"a".repeat(100));
}

#[tokio::test]
async fn damaged_missing_and_hostile_ones_are_not_placed() {
    let (data, blobs) = (tempfile::tempdir().unwrap(), blobs::memory());
    let place = HostDatasets::new(data.path(), blobs.clone(), u64::MAX);
    let good = version(&*blobs, "a.csv", b"a,b\n".to_vec()).await;
    blobs.put(&good.blob.key, "b,a\n".into()).await.unwrap();
    let error = place.place(&good.content()).await.unwrap_err();
    assert!(error.message.contains("damaged"), "{error}");
    blobs.delete(&good.blob.key).await.unwrap();
    assert_eq!(
        place.place(&good.content()).await.unwrap_err().kind,
        Kind::NotFound
    );
    let hostile = version(&*blobs, "a.zip", zipped(&[("../evil", "x")])).await;
    let error = place.place(&hostile.content()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.message.contains("leaves its folder"), "{error}");
    assert_eq!(entries(data.path()), Vec::<String>::new());
    blobs.put(&good.blob.key, "a,b\n".into()).await.unwrap();
    place.place(&good.content()).await.unwrap();
}

#[tokio::test]
async fn the_size_is_noted_before_the_dataset_is_there() {
    let (data, blobs) = (tempfile::tempdir().unwrap(), blobs::memory());
    let place = HostDatasets::new(data.path(), blobs.clone(), u64::MAX);
    let one = version(&*blobs, "fish.csv", b"a,b\n".to_vec()).await;
    let folder = data.path().join("datasets");
    fs::create_dir(&folder).unwrap();
    // A file in its way: it is laid out and cannot be put there, as when its maker is killed in between.
    let entry = folder.join(format!("{}-file", one.blob.sha256));
    fs::write(&entry, "").unwrap();
    assert!(place.place(&one.content()).await.is_err());
    assert_eq!(crate::shelf::noted_size(&entry), 4);
}
