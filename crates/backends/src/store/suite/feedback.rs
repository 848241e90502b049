//! Cases for feedback.
//! Each starts with an empty store.

use super::make::{after, at, feedback, id, ids, kind_of, name, page};
use onstage_core::{
    Kind,
    feedback::{Feedback, FeedbackFilter},
    ports::Store,
};

pub(super) async fn a_person_has_one_feedback_per_prediction(store: &dyn Store) {
    store
        .put_feedback(feedback("1", "p1", "kim"))
        .await
        .unwrap();
    store
        .put_feedback(feedback("2", "p1", "lee"))
        .await
        .unwrap();
    store
        .put_feedback(feedback("3", "p2", "kim"))
        .await
        .unwrap();
    let newer = Feedback {
        rating: Some(1),
        reason: None,
        comment: Some("good".to_owned()),
        ..feedback("4", "p1", "kim")
    };
    assert_eq!(store.put_feedback(newer.clone()).await.unwrap(), newer);
    let same_id = Feedback {
        rating: None,
        ..newer
    };
    store.put_feedback(same_id.clone()).await.unwrap();
    let of_first = FeedbackFilter {
        prediction: Some(id("p1")),
        ..Default::default()
    };
    let rows = store.feedback(&of_first, page(9)).await.unwrap().rows;
    assert_eq!(rows, [same_id, feedback("2", "p1", "lee")]);
    assert_eq!(
        store
            .feedback(&FeedbackFilter::default(), page(9))
            .await
            .unwrap()
            .rows
            .len(),
        3
    );
}

pub(super) async fn feedback_is_filtered_and_in_pages(store: &dyn Store) {
    for (text, when) in [("1", 10), ("2", 30), ("3", 20)] {
        let row = Feedback {
            created_at: at(when),
            ..feedback(text, text, "kim")
        };
        store.put_feedback(row).await.unwrap();
    }
    let other = Feedback {
        model: name("lab/sex"),
        ..feedback("4", "4", "kim")
    };
    store.put_feedback(other).await.unwrap();
    let list = async |filter: FeedbackFilter, page| {
        let rows = store.feedback(&filter, page).await.unwrap().rows;
        ids(rows.iter().map(|row| &row.id))
    };
    let all = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| id(text).to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(FeedbackFilter::default(), page(2)).await,
        all(&["4", "2"])
    );
    assert_eq!(
        list(FeedbackFilter::default(), after(30, &id("2"), 9)).await,
        all(&["3", "1"])
    );
    let model = FeedbackFilter {
        model: Some(name("lab/age")),
        ..Default::default()
    };
    assert_eq!(list(model.clone(), page(9)).await, all(&["2", "3", "1"]));
    let since = FeedbackFilter {
        since: Some(at(20)),
        ..model
    };
    assert_eq!(list(since, page(9)).await, all(&["2", "3"]));
}

pub(super) async fn an_id_of_anothers_feedback_is_refused(store: &dyn Store) {
    store
        .put_feedback(feedback("1", "p1", "kim"))
        .await
        .unwrap();
    store
        .put_feedback(feedback("2", "p1", "lee"))
        .await
        .unwrap();
    assert_eq!(
        kind_of(store.put_feedback(feedback("1", "p1", "lee")).await),
        Kind::Conflict
    );
    let rows = store
        .feedback(&FeedbackFilter::default(), page(9))
        .await
        .unwrap()
        .rows;
    assert_eq!(
        rows,
        [feedback("2", "p1", "lee"), feedback("1", "p1", "kim")]
    );
}
