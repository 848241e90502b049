//! Cases for the durable state of models.
//! Each starts with an empty store.

use super::make::kind_of;
use onstage_core::{
    Kind,
    limits::{STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX},
    ports::{StateOp, Store},
};

async fn put(store: &dyn Store, key: &str, json: &str) {
    let answer = store
        .state("lab/age", key, StateOp::Put(json.to_owned()))
        .await
        .unwrap();
    assert_eq!(answer, "null");
}

async fn get(store: &dyn Store, key: &str) -> String {
    store.state("lab/age", key, StateOp::Get).await.unwrap()
}

pub(super) async fn values_are_put_got_and_deleted(store: &dyn Store) {
    assert_eq!(get(store, "k").await, "null");
    put(store, "k", "{\"a\": [1, null]}").await;
    assert_eq!(get(store, "k").await, "{\"a\": [1, null]}");
    put(store, "k", "\"short\"").await;
    assert_eq!(get(store, "k").await, "\"short\"");
    put(store, "k", " null ").await;
    assert_eq!(get(store, "k").await, "null");
    assert_eq!(
        store.state("lab/age", "", StateOp::Items).await.unwrap(),
        "[]"
    );
    for bad in ["", "{", "nul", "1 2"] {
        let refused = store
            .state("lab/age", "k", StateOp::Put(bad.to_owned()))
            .await;
        assert_eq!(kind_of(refused), Kind::Invalid, "{bad:?}");
    }
}

pub(super) async fn counters_add_up(store: &dyn Store) {
    let add = async |by| store.state("lab/age", "n", StateOp::Add(by)).await.unwrap();
    assert_eq!(add(1.0).await, "1");
    assert_eq!(add(2.0).await, "3");
    assert_eq!(add(0.5).await, "3.5");
    assert_eq!(add(-4.5).await, "-1");
    assert_eq!(get(store, "n").await, "-1");
    put(store, "n", "40").await;
    assert_eq!(add(2.0).await, "42");
    let refused = store.state("lab/age", "n", StateOp::Add(f64::NAN)).await;
    assert_eq!(kind_of(refused), Kind::Invalid);
    assert_eq!(get(store, "n").await, "42");
}

pub(super) async fn concurrent_additions_are_all_counted(store: &dyn Store) {
    let add = |_| store.state("lab/age", "n", StateOp::Add(1.0));
    let answers = futures::future::join_all((0..100).map(add)).await;
    let mut values: Vec<u32> = answers
        .into_iter()
        .map(|one| one.unwrap().parse().unwrap())
        .collect();
    values.sort_unstable();
    assert_eq!(
        values,
        (1..=100).collect::<Vec<u32>>(),
        "each got its own value"
    );
    assert_eq!(get(store, "n").await, "100");
}

pub(super) async fn what_is_not_a_number_is_not_added_to(store: &dyn Store) {
    for json in ["\"1\"", "[]", "true"] {
        put(store, "k", json).await;
        assert_eq!(
            kind_of(store.state("lab/age", "k", StateOp::Add(1.0)).await),
            Kind::Invalid
        );
        assert_eq!(get(store, "k").await, json);
    }
}

pub(super) async fn items_are_sorted_and_below_their_prefix(store: &dyn Store) {
    for key in [
        "b/2",
        "b/10",
        "a",
        "b",
        "B/1",
        "b%",
        "bé",
        "c_\"quoted\"",
        "b_x",
    ] {
        put(store, key, "1").await;
    }
    let items = async |prefix| {
        store
            .state("lab/age", prefix, StateOp::Items)
            .await
            .unwrap()
    };
    assert_eq!(items("b/").await, r#"[["b/10",1],["b/2",1]]"#);
    assert_eq!(
        items("b%").await,
        r#"[["b%",1]]"#,
        "no character is special"
    );
    assert_eq!(items("b_").await, r#"[["b_x",1]]"#);
    assert_eq!(items("c").await, r#"[["c_\"quoted\"",1]]"#);
    assert_eq!(items("none").await, "[]");
    let all: Vec<(String, u32)> = serde_json::from_str(&items("").await).unwrap();
    let keys: Vec<&str> = all.iter().map(|(key, _)| key.as_str()).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!((keys.len(), &keys), (9, &sorted));
}

pub(super) async fn spaces_do_not_meet(store: &dyn Store) {
    put(store, "k", "1").await;
    for space in ["lab/sex", "lab//age", "lab/ag"] {
        assert_eq!(store.state(space, "k", StateOp::Get).await.unwrap(), "null");
        assert_eq!(store.state(space, "", StateOp::Items).await.unwrap(), "[]");
    }
}

pub(super) async fn too_large_keys_and_values_are_refused(store: &dyn Store) {
    let longest = "k".repeat(STATE_KEY_BYTES_MAX);
    put(store, &longest, "1").await;
    assert_eq!(get(store, &longest).await, "1");
    let key = store
        .state("lab/age", &format!("{longest}k"), StateOp::Get)
        .await;
    assert_eq!(kind_of(key), Kind::Invalid);
    let largest = format!("\"{}\"", "x".repeat(STATE_VALUE_BYTES_MAX - 2));
    put(store, "k", &largest).await;
    let larger = format!("\"{}\"", "x".repeat(STATE_VALUE_BYTES_MAX - 1));
    let value = store.state("lab/age", "k", StateOp::Put(larger)).await;
    assert_eq!(kind_of(value), Kind::Invalid);
    assert_eq!(get(store, "k").await, largest);
}
