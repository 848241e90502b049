//! Cases for uploads that come in parts.
//! Each starts with an empty store.

use super::make::{at, blob, id, kind_of};
use onstage_core::{
    Kind,
    dataset::DatasetFormat,
    ports::Store,
    upload::{Made, Upload, UploadPart},
};

fn upload(text: &str) -> Upload {
    Upload {
        id: id(text),
        name: "f\u{eb}sh.csv".to_owned(),
        media_type: "text/csv".to_owned(),
        size_bytes: 5 << 30,
        part_bytes: 16 << 20,
        dataset: Some("fish".parse().unwrap()),
        format: Some(DatasetFormat::Csv),
        by: id("person"),
        created_at: at(5),
        touched_at: at(5),
        made: None,
    }
}

fn part(number: u32, key: &str) -> UploadPart {
    UploadPart {
        number,
        blob: blob(key),
    }
}

pub(super) async fn parts_come_in_any_order_and_again(store: &dyn Store) {
    store.add_upload(upload("1")).await.unwrap();
    let plain = Upload {
        dataset: None,
        format: None,
        ..upload("2")
    };
    store.add_upload(plain.clone()).await.unwrap();
    assert_eq!(kind_of(store.add_upload(upload("1")).await), Kind::Conflict);
    let put = async |of: &str, part| store.put_part(&id(of), part, at(9)).await;
    assert_eq!(put("1", part(2, "b")).await.unwrap(), None);
    assert_eq!(put("1", part(1, "a")).await.unwrap(), None);
    assert_eq!(put("2", part(1, "z")).await.unwrap(), None);
    assert_eq!(put("1", part(2, "c")).await.unwrap(), Some(blob("b")));
    assert_eq!(kind_of(put("3", part(1, "a")).await), Kind::NotFound);
    let touched = Upload {
        touched_at: at(9),
        ..upload("1")
    };
    let found = store.upload(&id("1")).await.unwrap();
    assert_eq!(found, Some((touched, vec![part(1, "a"), part(2, "c")])));
    let other = store.upload(&id("2")).await.unwrap().unwrap();
    assert_eq!((other.0.dataset, other.1), (None, vec![part(1, "z")]));
    assert_eq!(store.upload(&id("3")).await.unwrap(), None);
}

pub(super) async fn a_complete_upload_takes_no_more_parts(store: &dyn Store) {
    store.add_upload(upload("1")).await.unwrap();
    store.put_part(&id("1"), part(1, "a"), at(6)).await.unwrap();
    let made = Made::Dataset("fish@v2".parse().unwrap());
    let complete = async |made: &Made| store.complete_upload(&id("1"), made.clone()).await;
    complete(&made).await.unwrap();
    complete(&Made::File(id("7"))).await.unwrap();
    let (found, parts) = store.upload(&id("1")).await.unwrap().unwrap();
    assert_eq!((found.made, parts), (Some(made), Vec::new()));
    let late = store.put_part(&id("1"), part(1, "a"), at(7)).await;
    assert_eq!(kind_of(late), Kind::Conflict);
    let none = store.complete_upload(&id("2"), Made::File(id("7"))).await;
    assert_eq!(kind_of(none), Kind::NotFound);
}

pub(super) async fn idle_uploads_are_found_and_removed(store: &dyn Store) {
    for text in ["1", "2", "3"] {
        store.add_upload(upload(text)).await.unwrap();
    }
    store
        .put_part(&id("2"), part(1, "a"), at(50))
        .await
        .unwrap();
    let idle = async |since| {
        let mut found = store.idle_uploads(at(since), 10).await.unwrap();
        found.sort();
        found
    };
    assert_eq!(idle(5).await, []);
    assert_eq!(idle(6).await, [id("1"), id("3")]);
    assert_eq!(store.idle_uploads(at(51), 2).await.unwrap().len(), 2);
    store.remove_upload(&id("2")).await.unwrap();
    assert_eq!(kind_of(store.remove_upload(&id("2")).await), Kind::NotFound);
    assert_eq!(store.upload(&id("2")).await.unwrap(), None);
}
