//! Cases for datasets, their versions, and what refers to them.
//! Each starts with an empty store.

use super::make::{at, blob, id, kind_of, new_job};
use futures::future::join_all;
use onstage_core::{
    Kind,
    batch::{BatchSpec, TableFormat},
    dataset::{
        Dataset, DatasetFormat, DatasetName, DatasetRef, DatasetSource, DatasetVersion,
        NewDatasetVersion,
    },
    job::{JobSpec, NewJob},
    ports::{Page, Store},
    value::BlobRef,
};

fn name(text: &str) -> DatasetName {
    text.parse().unwrap()
}

fn reference(text: &str) -> DatasetRef {
    text.parse().unwrap()
}

/// With bytes whose digest is made of `bytes`, lying at `key`.
fn new(dataset: &str, key: &str, bytes: &str) -> NewDatasetVersion {
    NewDatasetVersion {
        dataset: name(dataset),
        blob: BlobRef {
            sha256: format!("{bytes:0>64}"),
            ..blob(key)
        },
        file_name: "täbelle.csv".to_owned(),
        media_type: "text/csv".to_owned(),
        format: DatasetFormat::Csv,
        source: DatasetSource::Upload,
        by: id("person"),
        created_at: at(40),
    }
}

async fn added(store: &dyn Store, new: NewDatasetVersion) -> DatasetVersion {
    let (version, is_new) = store.add_dataset_version(new).await.unwrap();
    assert!(is_new);
    version
}

fn batch(job: &str, of: &DatasetVersion) -> NewJob {
    NewJob {
        spec: JobSpec::Batch(BatchSpec {
            table: of.blob.clone(),
            table_name: "fish.csv".to_owned(),
            format: TableFormat::Csv,
            dataset: Some(of.reference()),
            map: Default::default(),
            label: None,
            limit_rows: None,
            only_rows_of: None,
            files: None,
        }),
        ..new_job(job)
    }
}

fn first<C>(limit: u32) -> Page<C> {
    Page { after: None, limit }
}

pub(super) async fn versions_are_numbered_and_found(store: &dyn Store) {
    let one = added(store, new("labels", "a/1", "1")).await;
    assert_eq!(one, new("labels", "a/1", "1").numbered(1));
    let two = NewDatasetVersion {
        format: DatasetFormat::Zip,
        source: DatasetSource::Feedback {
            model: super::make::name("lab/age"),
        },
        ..new("labels", "a/2", "2")
    };
    let two = added(store, two).await;
    assert_eq!(added(store, new("other", "b/1", "3")).await.number, 1);
    for (text, expected) in [
        ("labels", Some(&two)),
        ("labels@v1", Some(&one)),
        ("labels@v2", Some(&two)),
        ("labels@v3", None),
        ("label", None),
    ] {
        let found = store.dataset_version(&reference(text)).await.unwrap();
        assert_eq!(found.as_ref(), expected, "{text}");
    }
}

pub(super) async fn the_newest_bytes_again_are_no_new_version(store: &dyn Store) {
    let one = added(store, new("labels", "a/1", "1")).await;
    let again = store.add_dataset_version(new("labels", "a/2", "1")).await;
    assert_eq!(again.unwrap(), (one.clone(), false));
    let read_otherwise = NewDatasetVersion {
        format: DatasetFormat::Other,
        ..new("labels", "a/3", "1")
    };
    let two = added(store, read_otherwise).await;
    assert_eq!((two.number, &two.blob), (2, &one.blob));
    let three = added(store, new("labels", "a/4", "1")).await;
    assert_eq!((three.number, three.blob), (3, one.blob));
}

pub(super) async fn equal_bytes_are_kept_until_the_last_version_goes(store: &dyn Store) {
    let one = added(store, new("labels", "a/1", "1")).await;
    added(store, new("labels", "a/2", "2")).await;
    let other = added(store, new("other", "b/1", "1")).await;
    assert_eq!(other.blob, one.blob);
    let removed = store.remove_dataset_version(&reference("labels@v1")).await;
    assert_eq!(removed.unwrap(), (one, false));
    let removed = store.remove_dataset_version(&reference("other")).await;
    assert_eq!(removed.unwrap(), (other, true));
    let removed = store.remove_dataset_version(&reference("other")).await;
    assert_eq!(kind_of(removed), Kind::NotFound);
    let again = added(store, new("labels", "a/3", "1")).await;
    assert_eq!(again.blob.key, "a/3");
}

pub(super) async fn every_blob_goes_with_its_last_version(store: &dyn Store) {
    for round in 0..10 {
        let bytes = format!("{round}");
        let add = async |dataset: &str| {
            let new = new(dataset, &format!("{dataset}/{round}"), &bytes);
            added(store, new).await
        };
        // Whoever looks at the same moment for equal bytes finds none, where writes go side by side.
        let (a, b) = futures::join!(add("a"), add("b"));
        let mut removed = Vec::new();
        for version in [&a, &b] {
            let gone = store.remove_dataset_version(&version.reference()).await;
            let (gone, last) = gone.unwrap();
            removed.extend(last.then_some(gone.blob.key));
        }
        let mut kept = vec![a.blob.key, b.blob.key];
        kept.dedup();
        assert_eq!(removed, kept, "the bytes that go");
    }
}

pub(super) async fn a_number_is_never_given_twice(store: &dyn Store) {
    for bytes in ["1", "2"] {
        added(store, new("labels", bytes, bytes)).await;
    }
    let newest = reference("labels");
    assert_eq!(
        store
            .remove_dataset_version(&newest)
            .await
            .unwrap()
            .0
            .number,
        2
    );
    let found = store.dataset_version(&newest).await.unwrap().unwrap();
    assert_eq!(found.number, 1);
    store.remove_dataset_version(&newest).await.unwrap();
    assert_eq!(store.dataset_version(&newest).await.unwrap(), None);
    assert_eq!(store.datasets(first(9)).await.unwrap().rows, []);
    assert_eq!(store.dataset(&name("labels")).await.unwrap(), None);
    assert_eq!(added(store, new("labels", "3", "3")).await.number, 3);
}

pub(super) async fn datasets_and_versions_are_listed_in_pages(store: &dyn Store) {
    let mut newest = Vec::new();
    for dataset in ["c", "a-b", "b"] {
        added(store, new(dataset, dataset, &format!("{dataset}1"))).await;
        newest.push(added(store, new(dataset, dataset, &format!("{dataset}2"))).await);
    }
    added(store, new("b", "b", "b3")).await;
    store.remove_dataset_version(&reference("b")).await.unwrap();
    newest.sort_by(|a, b| a.dataset.cmp(&b.dataset));
    let expected = newest.into_iter().map(|newest| Dataset {
        newest,
        versions: 2,
    });
    let expected: Vec<Dataset> = expected.collect();
    let one = store.dataset(&name("b")).await.unwrap();
    assert_eq!(one.as_ref(), Some(&expected[1]));
    assert_eq!(store.dataset(&name("none")).await.unwrap(), None);
    let page = store.datasets(first(2)).await.unwrap();
    assert_eq!(page.rows, expected[..2]);
    let rest = Page {
        after: page.next,
        limit: 2,
    };
    let page = store.datasets(rest).await.unwrap();
    assert_eq!((page.rows, page.next), (expected[2..].to_vec(), None));

    added(store, new("b", "b", "b4")).await;
    let page = store.dataset_versions(&name("b"), first(2)).await.unwrap();
    let numbers = |rows: &[DatasetVersion]| -> Vec<u32> {
        rows.iter().map(|version| version.number).collect()
    };
    assert_eq!((numbers(&page.rows), page.next), (vec![4, 2], Some(2)));
    let rest = Page {
        after: page.next,
        limit: 2,
    };
    let page = store.dataset_versions(&name("b"), rest).await.unwrap();
    assert_eq!((numbers(&page.rows), page.next), (vec![1], None));
    let none = store.dataset_versions(&name("none"), first(2)).await;
    assert_eq!(none.unwrap().rows, []);
}

pub(super) async fn what_a_job_refers_to_stays_as_long_as_the_job(store: &dyn Store) {
    let one = added(store, new("labels", "1", "1")).await;
    added(store, new("labels", "2", "2")).await;
    store.submit(batch("1", &one)).await.unwrap();
    let used = store.remove_dataset_version(&one.reference()).await;
    let error = used.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(error.message.contains(id("1").as_str()), "{error}");
    store
        .remove_dataset_version(&reference("labels@v2"))
        .await
        .unwrap();

    store.request_cancel(&id("1"), at(300)).await.unwrap();
    let used = store.remove_dataset_version(&one.reference()).await;
    assert_eq!(kind_of(used), Kind::Conflict);
    store.delete_job(&id("1")).await.unwrap();
    let removed = store.remove_dataset_version(&one.reference()).await;
    assert_eq!(removed.unwrap(), (one.clone(), true));
    let late = store.submit(batch("2", &one)).await;
    assert_eq!(kind_of(late), Kind::NotFound);
    assert_eq!(store.job(&id("2")).await.unwrap(), None);
}

pub(super) async fn concurrent_uploads_get_different_numbers(store: &dyn Store) {
    let add = |place: usize| {
        let bytes = format!("{place}");
        store.add_dataset_version(new("labels", &bytes, &bytes))
    };
    let all = join_all((0..20).map(add)).await;
    let mut numbers: Vec<u32> = all.into_iter().map(|one| one.unwrap().0.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u32>>());
}
