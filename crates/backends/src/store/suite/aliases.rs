//! Cases for aliases of versions.
//! Each starts with an empty store.

use super::{
    catalog::ready,
    make::{kind_of, model, name, new_version, version},
};
use onstage_core::{
    Kind, Result,
    alias::{Alias, Aliased},
    model::{Model, VersionState},
    ports::{Page, Store},
};

fn alias(text: &str) -> Alias {
    text.parse().unwrap()
}

fn to(text: &str, number: u32) -> Aliased {
    Aliased {
        version: version(text),
        number,
    }
}

/// `lab/age` with the ready versions `a1` to `a3`, and `lab/sex` with `s1`.
async fn made(store: &dyn Store) {
    for (of, versions) in [
        ("lab/age", ["a1", "a2", "a3"].as_slice()),
        ("lab/sex", &["s1"]),
    ] {
        store.ensure_model(model(of)).await.unwrap();
        for text in versions {
            store.add_version(new_version(of, text)).await.unwrap();
            let made = store.set_version_state(&version(text), ready()).await;
            made.unwrap();
        }
    }
}

async fn age(store: &dyn Store) -> Model {
    store.model(&name("lab/age")).await.unwrap().unwrap()
}

async fn point(store: &dyn Store, text: &str, at: Aliased) -> Result<Model> {
    let mut model = age(store).await;
    model.aliases.insert(alias(text), at);
    store.update_model(model).await
}

pub(super) async fn aliases_come_back_as_they_were_set(store: &dyn Store) {
    made(store).await;
    assert!(age(store).await.aliases.is_empty());
    point(store, "staging", to("a1", 1)).await.unwrap();
    point(store, "champion", to("a1", 1)).await.unwrap();
    let revision = store.catalog_revision().await.unwrap();
    let moved = point(store, "staging", to("a3", 3)).await.unwrap();
    assert_ne!(store.catalog_revision().await.unwrap(), revision);
    let wanted = [
        (alias("champion"), to("a1", 1)),
        (alias("staging"), to("a3", 3)),
    ];
    assert_eq!(moved.aliases, wanted.clone().into_iter().collect());
    assert_eq!(age(store).await, moved);
    let page = Page {
        after: None,
        limit: 9,
    };
    assert_eq!(store.models(page).await.unwrap().rows[0], moved);

    let mut less = moved.clone();
    less.aliases.remove(&alias("staging"));
    let less = store.update_model(less).await.unwrap();
    assert_eq!(age(store).await, less);
    let late = store.update_model(moved).await;
    assert_eq!(kind_of(late), Kind::Conflict, "somebody else was first");
    assert_eq!(age(store).await, less);
}

pub(super) async fn an_alias_points_at_a_version_that_is_there(store: &dyn Store) {
    made(store).await;
    let delete = store
        .set_version_state(&version("a2"), VersionState::Deleted)
        .await;
    delete.unwrap();
    for (what, at) in [
        ("no version", to("none", 4)),
        ("a deleted one", to("a2", 2)),
        ("one of another model", to("s1", 1)),
        ("another number", to("a1", 3)),
    ] {
        assert_eq!(
            kind_of(point(store, "staging", at).await),
            Kind::Conflict,
            "{what}"
        );
    }
    assert!(age(store).await.aliases.is_empty());
}

pub(super) async fn what_an_alias_points_at_is_not_deleted(store: &dyn Store) {
    made(store).await;
    point(store, "staging", to("a1", 1)).await.unwrap();
    let refused = store
        .set_version_state(&version("a1"), VersionState::Deleted)
        .await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(error.message.contains("`staging`"), "{error}");
    point(store, "staging", to("a3", 3)).await.unwrap();
    let delete = store
        .set_version_state(&version("a1"), VersionState::Deleted)
        .await;
    delete.unwrap();
    store.delete_model(&name("lab/age")).await.unwrap();
}

pub(super) async fn of_an_alias_and_a_deletion_at_once_one_is_refused(store: &dyn Store) {
    made(store).await;
    for round in 0..20 {
        let text = format!("b{round}");
        let (new, _) = store
            .add_version(new_version("lab/age", &text))
            .await
            .unwrap();
        store.set_version_state(&new.id, ready()).await.unwrap();
        let (pointed, deleted) = futures::future::join(
            point(store, "staging", to(&text, new.number)),
            store.set_version_state(&new.id, VersionState::Deleted),
        )
        .await;
        assert!(
            pointed.is_ok() != deleted.is_ok(),
            "{pointed:?} {deleted:?}"
        );
        let state = store.version(&new.id).await.unwrap().unwrap().state;
        let points =
            age(store).await.aliases.get(&alias("staging")) == Some(&to(&text, new.number));
        assert_eq!(
            points,
            state.name() == "ready",
            "nothing points at what is gone"
        );
    }
}
