//! Cases for credentials.
//! Each starts with an empty store.

use super::make::{after, at, credential, id, ids, kind_of, page};
use onstage_core::{
    Kind,
    people::{Credential, CredentialKind, Role},
    ports::Store,
};

pub(super) async fn a_credential_is_found_by_its_secret(store: &dyn Store) {
    let owner = Credential {
        role: Role::Owner,
        expires_at: Some(at(1)),
        last_used_at: Some(at(2)),
        ..credential("1", CredentialKind::Session)
    };
    store.add_credential(owner.clone()).await.unwrap();
    assert_eq!(
        store.credential("secret of 1").await.unwrap(),
        Some(owner),
        "expired ones too"
    );
    assert_eq!(store.credential("secret of 2").await.unwrap(), None);
}

pub(super) async fn a_doubled_credential_is_refused(store: &dyn Store) {
    let first = credential("1", CredentialKind::Token);
    store.add_credential(first.clone()).await.unwrap();
    let same_id = Credential {
        secret_sha256: "x".to_owned(),
        ..first.clone()
    };
    let same_secret = Credential {
        id: id("2"),
        ..first.clone()
    };
    for doubled in [same_id, same_secret] {
        assert_eq!(kind_of(store.add_credential(doubled).await), Kind::Conflict);
    }
    assert_eq!(
        store
            .credentials(CredentialKind::Token, page(9))
            .await
            .unwrap()
            .rows,
        [first]
    );
}

pub(super) async fn a_login_link_is_taken_once(store: &dyn Store) {
    let link = credential("1", CredentialKind::LoginLink);
    store.add_credential(link.clone()).await.unwrap();
    let take = |_| store.take_credential("secret of 1");
    let takers = futures::future::join_all((0..10).map(take)).await;
    let got: Vec<_> = takers.into_iter().filter_map(|one| one.unwrap()).collect();
    assert_eq!(got, [link]);
    assert_eq!(store.credential("secret of 1").await.unwrap(), None);
    assert_eq!(store.take_credential("never").await.unwrap(), None);
}

pub(super) async fn tokens_are_not_taken(store: &dyn Store) {
    let token = credential("1", CredentialKind::Token);
    store.add_credential(token.clone()).await.unwrap();
    assert_eq!(store.take_credential("secret of 1").await.unwrap(), None);
    assert_eq!(store.credential("secret of 1").await.unwrap(), Some(token));
}

pub(super) async fn credentials_are_listed_by_kind(store: &dyn Store) {
    for text in ["1", "2", "3"] {
        store
            .add_credential(credential(text, CredentialKind::Token))
            .await
            .unwrap();
    }
    store
        .add_credential(credential("4", CredentialKind::Session))
        .await
        .unwrap();
    let tokens = store
        .credentials(CredentialKind::Token, page(2))
        .await
        .unwrap()
        .rows;
    assert_eq!(
        ids(tokens.iter().map(|row| &row.id)),
        [id("3").to_string(), id("2").to_string()]
    );
    let rest = store
        .credentials(CredentialKind::Token, after(1, &id("2"), 2))
        .await
        .unwrap()
        .rows;
    assert_eq!(rest, [credential("1", CredentialKind::Token)]);
    assert!(
        store
            .credentials(CredentialKind::LoginLink, page(2))
            .await
            .unwrap()
            .rows
            .is_empty()
    );
}

pub(super) async fn use_and_removal_are_kept(store: &dyn Store) {
    store
        .add_credential(credential("1", CredentialKind::Token))
        .await
        .unwrap();
    store.touch_credential(&id("1"), at(42)).await.unwrap();
    let used = store.credential("secret of 1").await.unwrap().unwrap();
    assert_eq!(used.last_used_at, Some(at(42)));
    store.remove_credential(&id("1")).await.unwrap();
    assert_eq!(store.credential("secret of 1").await.unwrap(), None);
    assert_eq!(
        kind_of(store.remove_credential(&id("1")).await),
        Kind::NotFound
    );
    assert_eq!(
        kind_of(store.touch_credential(&id("1"), at(1)).await),
        Kind::NotFound
    );
}

pub(super) async fn expired_credentials_are_swept(store: &dyn Store) {
    for (text, expires_at) in [
        ("1", Some(10)),
        ("2", Some(20)),
        ("3", None),
        ("4", Some(19)),
    ] {
        let expiring = Credential {
            expires_at: expires_at.map(at),
            ..credential(text, CredentialKind::Session)
        };
        store.add_credential(expiring).await.unwrap();
    }
    assert_eq!(store.sweep_credentials(at(20)).await.unwrap(), 2);
    let left = store
        .credentials(CredentialKind::Session, page(9))
        .await
        .unwrap()
        .rows;
    assert_eq!(
        ids(left.iter().map(|row| &row.id)),
        [id("3").to_string(), id("2").to_string()]
    );
    assert_eq!(store.sweep_credentials(at(20)).await.unwrap(), 0);
}
