//! Cases for uploaded files.
//! Each starts with an empty store.

use super::make::{after, file, id, kind_of, page};
use onstage_core::{Kind, file::File, ports::Store};

pub(super) async fn a_file_is_added_listed_and_removed(store: &dyn Store) {
    for text in ["1", "2", "3"] {
        store.add_file(file(text)).await.unwrap();
    }
    assert_eq!(store.file(&id("2")).await.unwrap(), Some(file("2")));
    assert_eq!(
        store.files(page(2)).await.unwrap().rows,
        [file("3"), file("2")]
    );
    assert_eq!(
        store.files(after(9, &id("2"), 2)).await.unwrap().rows,
        [file("1")]
    );
    assert_eq!(store.remove_file(&id("2")).await.unwrap(), file("2"));
    assert_eq!(store.file(&id("2")).await.unwrap(), None);
    assert_eq!(kind_of(store.remove_file(&id("2")).await), Kind::NotFound);
}

pub(super) async fn a_doubled_file_is_refused(store: &dyn Store) {
    store.add_file(file("1")).await.unwrap();
    let doubled = File {
        name: "other".to_owned(),
        ..file("1")
    };
    assert_eq!(kind_of(store.add_file(doubled).await), Kind::Conflict);
    assert_eq!(store.file(&id("1")).await.unwrap(), Some(file("1")));
}
