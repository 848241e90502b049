//! Cases for the live version of a model, and for what ends with a model.
//! Each starts with an empty store.

use super::{
    catalog::ready,
    make::{self, at, id, kind_of, model, name, new_job, new_version, prediction, version},
};
use onstage_core::{
    Kind, Result,
    model::{Model, Version, VersionState},
    ports::Store,
    prediction::PredictionRecord,
};

/// A version of the model, which is made when it is not there, in state building.
async fn pushed(store: &dyn Store, of: &str, text: &str) {
    store.ensure_model(model(of)).await.unwrap();
    store.add_version(new_version(of, text)).await.unwrap();
}

async fn built(store: &dyn Store, of: &str, text: &str) {
    pushed(store, of, text).await;
    let made = store.set_version_state(&version(text), ready()).await;
    made.unwrap();
}

async fn age(store: &dyn Store) -> Model {
    store.model(&name("lab/age")).await.unwrap().unwrap()
}

async fn go_live(store: &dyn Store, text: &str) -> Result<Model> {
    let live = Some(version(text));
    let wanted = Model {
        live,
        ..age(store).await
    };
    store.update_model(wanted).await
}

async fn delete(store: &dyn Store, text: &str) -> Result<Version> {
    let gone = VersionState::Deleted;
    store.set_version_state(&version(text), gone).await
}

pub(super) async fn a_ready_version_of_the_model_goes_live(store: &dyn Store) {
    pushed(store, "lab/age", "a1").await;
    built(store, "lab/age", "a2").await;
    built(store, "lab/age", "a3").await;
    built(store, "lab/sex", "s1").await;
    delete(store, "a2").await.unwrap();
    for (what, text) in [
        ("one that is being built", "a1"),
        ("a deleted one", "a2"),
        ("one of another model", "s1"),
        ("no version", "none"),
    ] {
        let refused = go_live(store, text).await;
        assert_eq!(kind_of(refused), Kind::Conflict, "{what}");
    }
    assert_eq!(age(store).await.live, None);
    let live = go_live(store, "a3").await.unwrap();
    assert_eq!(live.live, Some(version("a3")));
    let none = Model { live: None, ..live };
    store.update_model(none).await.unwrap();
}

pub(super) async fn what_is_live_is_not_deleted(store: &dyn Store) {
    for text in ["a1", "a2"] {
        built(store, "lab/age", text).await;
    }
    go_live(store, "a1").await.unwrap();
    assert_eq!(kind_of(delete(store, "a1").await), Kind::Conflict);
    go_live(store, "a2").await.unwrap();
    delete(store, "a1").await.unwrap();
    store.delete_model(&name("lab/age")).await.unwrap();
}

pub(super) async fn nothing_is_left_of_a_model_that_is_gone(store: &dyn Store) {
    make::models(store).await;
    store.submit(new_job("1")).await.unwrap();
    store.request_cancel(&id("1"), at(200)).await.unwrap();
    store.delete_model(&name("lab/age")).await.unwrap();
    let late = store.submit(new_job("2")).await;
    assert_eq!(kind_of(late), Kind::NotFound);
    let keyed = store.submit(make::keyed("3", "key", "body")).await;
    assert_eq!(kind_of(keyed), Kind::NotFound);
    let kept = PredictionRecord {
        model: name("lab/sex"),
        ..prediction("2")
    };
    let records = vec![prediction("1"), kept.clone()];
    store.record(records).await.unwrap();
    assert_eq!(store.prediction(&id("1")).await.unwrap(), None);
    assert_eq!(store.prediction(&id("2")).await.unwrap(), Some(kept));
    assert_eq!(store.run_count(&name("lab/age")).await.unwrap(), 0);
    for text in ["1", "2", "3"] {
        assert_eq!(store.job(&id(text)).await.unwrap(), None);
    }
    make::models(store).await;
    store.submit(make::keyed("3", "key", "body")).await.unwrap();
}

pub(super) async fn of_a_submission_and_the_end_of_its_model_one_is_refused(store: &dyn Store) {
    for round in 0..20 {
        make::models(store).await;
        let (text, model) = (round.to_string(), name("lab/age"));
        let (job, gone) = futures::join!(store.submit(new_job(&text)), store.delete_model(&model));
        assert!(job.is_ok() != gone.is_ok(), "{job:?} {gone:?}");
        let job = store.job(&id(&text)).await.unwrap();
        let there = store.model(&model).await.unwrap();
        assert_eq!(job.is_some(), there.is_some(), "no job without its model");
        if job.is_some() {
            store.request_cancel(&id(&text), at(200)).await.unwrap();
            store.delete_model(&model).await.unwrap();
        }
    }
}

pub(super) async fn of_going_live_and_a_deletion_at_once_one_is_refused(store: &dyn Store) {
    for round in 0..20 {
        let text = format!("a{round}");
        built(store, "lab/age", &text).await;
        let (live, gone) = futures::join!(go_live(store, &text), delete(store, &text));
        assert!(live.is_ok() != gone.is_ok(), "{live:?} {gone:?}");
        let state = store.version(&version(&text)).await.unwrap().unwrap().state;
        let is_live = age(store).await.live == Some(version(&text));
        assert_eq!(is_live, state.name() == "ready", "nothing live is gone");
    }
}
