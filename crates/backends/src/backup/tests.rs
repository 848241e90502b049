//! Backups of a store that is written to, ways back, and what is refused.

use super::{Source, back_up, restore};
use crate::{blobs, store};
use onstage_core::{
    Kind, Timestamp,
    feedback::Feedback,
    file::File,
    ports::{Blobs, Page, StateOp, Store},
    value::BlobRef,
};
use std::{fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

struct Living {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
}

impl Living {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("server.toml"), "name = \"Lab\"\n").unwrap();
        let blobs = format!("file://{}", data.join("blobs").display());
        Self {
            store: store::sqlite(&data.join("onstage.db")).await.unwrap(),
            blobs: blobs::open(&blobs).await.unwrap(),
            folder,
        }
    }

    fn source(&self) -> Source {
        let data = self.folder.path().join("data");
        Source {
            store: data.join("onstage.db"),
            blobs: data.join("blobs"),
            settings: data.join("server.toml"),
        }
    }

    fn place(&self) -> std::path::PathBuf {
        self.folder.path().join("backups")
    }

    async fn add(&self, n: u32) -> File {
        let key = format!("files/{n}/content");
        let mut writer = self.blobs.writer(&key).await.unwrap();
        writer.write(format!("content {n}").into()).await.unwrap();
        self.keep(n, writer.finish().await.unwrap()).await
    }

    async fn keep(&self, n: u32, blob: BlobRef) -> File {
        let file = File {
            id: format!("file-{n:08}").parse().unwrap(),
            name: format!("{n}.txt"),
            media_type: "text/plain".to_owned(),
            blob,
            metadata: "{}".to_owned(),
            by: "somebody".parse().unwrap(),
            created_at: Timestamp(i64::from(n)),
        };
        self.store.add_file(file.clone()).await.unwrap();
        file
    }
}

async fn files(data: &Path) -> Vec<File> {
    let store = store::sqlite(&data.join("onstage.db")).await.unwrap();
    let page = Page {
        after: None,
        limit: 200,
    };
    let mut files = store.files(page).await.unwrap().rows;
    files.reverse();
    files
}

#[tokio::test]
async fn a_backup_comes_back_with_everything_and_the_next_one_links_what_is_there() {
    let it = Living::new().await;
    let first = it.add(1).await;
    let one = back_up(&it.source(), &it.place(), "2026-01-01")
        .await
        .unwrap();
    let second = it.add(2).await;
    let two = back_up(&it.source(), &it.place(), "2026-01-02")
        .await
        .unwrap();
    assert_eq!((one.files, two.files), (3, 4));
    let blob = "blobs/files/1/content";
    let inode = |name: &str| {
        fs::metadata(it.place().join(name).join(blob))
            .unwrap()
            .ino()
    };
    assert_eq!(inode("2026-01-01"), inode("2026-01-02"), "it is kept once");
    assert!(two.new_bytes < two.bytes);

    let back = it.folder.path().join("back");
    let restored = restore(&it.place(), &back).await.unwrap();
    assert_eq!(restored.folder, two.folder, "the newest");
    assert_eq!(files(&back).await, [first.clone(), second]);
    assert_eq!(fs::read(back.join(blob)).unwrap(), b"content 1");
    assert_eq!(
        fs::read(back.join("server.toml")).unwrap(),
        b"name = \"Lab\"\n"
    );
    let older = it.folder.path().join("older");
    restore(&one.folder, &older).await.unwrap();
    assert_eq!(files(&older).await, [first]);
}

#[tokio::test]
async fn what_is_damaged_or_missing_is_not_restored() {
    let it = Living::new().await;
    it.add(1).await;
    let back = it.folder.path().join("back");
    let made = back_up(&it.source(), &it.place(), "one").await.unwrap();
    let refused = async |kind: Kind, word: &str| {
        let error = restore(&made.folder, &back).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        let left = fs::read_dir(it.folder.path()).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert_eq!(left.len(), 2, "nothing is left behind: {left:?}");
    };
    let blob = made.folder.join("blobs/files/1/content");
    fs::write(&blob, "content 2").unwrap();
    refused(Kind::Invalid, "content").await;
    fs::remove_file(&blob).unwrap();
    refused(Kind::NotFound, "content").await;
    fs::write(&blob, "content 1").unwrap();
    let manifest = made.folder.join("manifest.json");
    let said = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, said.replace("blobs/files/1", "../../files/1")).unwrap();
    refused(Kind::Invalid, "outside").await;
    let mut lacking: serde_json::Value = serde_json::from_str(&said).unwrap();
    lacking["files"]
        .as_object_mut()
        .unwrap()
        .remove("blobs/files/1/content");
    fs::write(&manifest, lacking.to_string()).unwrap();
    refused(Kind::Invalid, "points at").await;
    fs::write(&manifest, said.replace("\"version\": 1", "\"version\": 2")).unwrap();
    refused(Kind::Conflict, "newer").await;
    fs::write(&manifest, said).unwrap();
    restore(&made.folder, &back).await.unwrap();
    let again = restore(&made.folder, &back).await.unwrap_err();
    assert_eq!(again.kind, Kind::Conflict);
    assert!(again.to_string().contains("not empty"), "{again}");
}

#[tokio::test]
async fn a_backup_of_nothing_or_over_another_is_refused() {
    let it = Living::new().await;
    back_up(&it.source(), &it.place(), "one").await.unwrap();
    let again = back_up(&it.source(), &it.place(), "one").await;
    assert_eq!(again.unwrap_err().kind, Kind::Conflict);
    let none = Source {
        store: it.folder.path().join("none.db"),
        ..it.source()
    };
    let error = back_up(&none, &it.place(), "two").await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    assert!(!none.store.exists(), "no store is made by looking for one");
    it.keep(
        7,
        BlobRef {
            key: "files/7/gone".to_owned(),
            size_bytes: 1,
            sha256: "00".to_owned(),
        },
    )
    .await;
    let error = back_up(&it.source(), &it.place(), "three")
        .await
        .unwrap_err();
    for word in ["files/7/gone", "`file-00000007` in table `files`"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    let left = fs::read_dir(it.place()).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["one"], "nothing half made is left");
}

#[tokio::test]
async fn what_people_write_points_at_no_blob() {
    let it = Living::new().await;
    let written = r#"{"$blob":"x","blob":{"key":"y","sha256":"00"}}"#;
    let mut file = it.add(1).await;
    file.id = "file-00000002".parse().unwrap();
    file.metadata = written.to_owned();
    it.store.add_file(file).await.unwrap();
    let feedback = Feedback {
        id: "feedback-1".parse().unwrap(),
        prediction: "prediction-1".parse().unwrap(),
        model: "lab/age".parse().unwrap(),
        version_number: 1,
        rating: None,
        reason: None,
        comment: None,
        correction: Some(written.to_owned()),
        who: "somebody".parse().unwrap(),
        // Its prediction was deleted.
        input: Some(r#"{"file":{"$blob":"z"}}"#.to_owned()),
        output: None,
        created_at: Timestamp(1),
    };
    it.store.put_feedback(feedback).await.unwrap();
    let put = StateOp::Put(written.to_owned());
    it.store.state("space", "key", put).await.unwrap();
    back_up(&it.source(), &it.place(), "one").await.unwrap();
}

/// Files come and go while backups are taken: each of them is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_of_a_store_at_work_point_at_nothing_that_is_not_there() {
    let it = Arc::new(Living::new().await);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writing = {
        let (it, stop) = (it.clone(), stop.clone());
        async move {
            let mut n = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let file = it.add(n).await;
                if n % 2 == 0 {
                    it.store.remove_file(&file.id).await.unwrap();
                    it.blobs.delete(&file.blob.key).await.unwrap();
                }
                n += 1;
            }
            n
        }
    };
    let backing_up = async {
        for n in 0..5 {
            let name = format!("at-{n}");
            back_up(&it.source(), &it.place(), &name).await.unwrap();
            let back = it.folder.path().join(&name);
            restore(&it.place().join(&name), &back).await.unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (written, ()) = futures::join!(writing, backing_up);
    assert!(written > 5, "nothing was written meanwhile");
}
