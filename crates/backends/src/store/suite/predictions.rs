//! Cases for records of realtime predictions.
//! Each starts with an empty store.

use super::make::{after, at, feedback, id, ids, kind_of, name, new_job, page, prediction};
use onstage_core::{
    Kind,
    outcome::{Failure, Reason},
    ports::{Cursor, Store},
    prediction::{PredictionEnd, PredictionFilter, PredictionRecord, RecordPart},
    value::Stored,
};

fn failed(text: &str, reason: Reason) -> PredictionRecord {
    PredictionRecord {
        end: PredictionEnd::Failure(Failure::new(reason, "no")),
        ..prediction(text)
    }
}

pub(super) async fn a_record_comes_back_and_is_overwritten(store: &dyn Store) {
    let first = PredictionRecord {
        input: Stored::Blob(super::make::blob("inputs/1")),
        ..prediction("1")
    };
    store.record(vec![first.clone()]).await.unwrap();
    assert_eq!(store.prediction(&id("1")).await.unwrap(), Some(first));
    let second = failed("1", Reason::Exception);
    store.record(vec![second.clone()]).await.unwrap();
    assert_eq!(store.prediction(&id("1")).await.unwrap(), Some(second));
    assert_eq!(store.prediction(&id("none")).await.unwrap(), None);
    store.record(vec![]).await.unwrap();
}

pub(super) async fn a_group_is_written_together(store: &dyn Store) {
    let group = |from: u32| {
        (from..from + 450)
            .map(|n| prediction(&n.to_string()))
            .collect::<Vec<_>>()
    };
    store.record(group(0)).await.unwrap();
    store.record(group(200)).await.unwrap();
    let all = store
        .predictions(&PredictionFilter::default(), page(1_000))
        .await
        .unwrap()
        .rows;
    assert_eq!(all.len(), 650);
    let doubled = vec![prediction("d"), failed("d", Reason::Timeout)];
    store.record(doubled).await.unwrap();
    let kept = store.prediction(&id("d")).await.unwrap().unwrap();
    assert_eq!(
        kept,
        failed("d", Reason::Timeout),
        "the last of a group wins"
    );
    assert_eq!(store.run_count(&name("lab/age")).await.unwrap(), 651);
}

pub(super) async fn lists_are_filtered_and_in_pages(store: &dyn Store) {
    let other = PredictionRecord {
        model: name("lab/sex"),
        by: id("other"),
        ..prediction("4")
    };
    let records = vec![
        prediction("1"),
        failed("2", Reason::Exception),
        failed("3", Reason::Canceled),
        other,
    ];
    store.record(records).await.unwrap();
    let list = async |filter: PredictionFilter, page| {
        let rows = store.predictions(&filter, page).await.unwrap().rows;
        ids(rows.iter().map(|row| &row.id))
    };
    let all = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| id(text).to_string())
            .collect::<Vec<_>>()
    };
    let everything = PredictionFilter::default();
    assert_eq!(
        list(everything.clone(), page(3)).await,
        all(&["4", "3", "2"])
    );
    assert_eq!(list(everything, after(1, &id("2"), 3)).await, all(&["1"]));
    let model = PredictionFilter {
        model: Some(name("lab/age")),
        ..Default::default()
    };
    assert_eq!(list(model, page(9)).await, all(&["3", "2", "1"]));
    let by = PredictionFilter {
        by: Some(id("other")),
        ..Default::default()
    };
    assert_eq!(list(by, page(9)).await, all(&["4"]));
    for (status, wanted) in [
        ("succeeded", vec!["4", "1"]),
        ("failed", vec!["2"]),
        ("canceled", vec!["3"]),
    ] {
        let filter = PredictionFilter {
            status: Some(status.to_owned()),
            ..Default::default()
        };
        assert_eq!(list(filter, page(9)).await, all(&wanted), "{status}");
    }
}

pub(super) async fn a_deleted_one_is_gone(store: &dyn Store) {
    store.record(vec![prediction("1")]).await.unwrap();
    store.delete_prediction(&id("1")).await.unwrap();
    assert_eq!(store.prediction(&id("1")).await.unwrap(), None);
    assert_eq!(
        kind_of(store.delete_prediction(&id("1")).await),
        Kind::NotFound
    );
    assert_eq!(
        store.run_count(&name("lab/age")).await.unwrap(),
        1,
        "it was a run all the same"
    );
}

pub(super) async fn runs_are_counted_once_each(store: &dyn Store) {
    assert_eq!(store.run_count(&name("lab/age")).await.unwrap(), 0);
    store
        .record(vec![prediction("1"), prediction("2")])
        .await
        .unwrap();
    store.record(vec![prediction("2")]).await.unwrap();
    store.submit(new_job("3")).await.unwrap();
    store.submit(new_job("3")).await.unwrap_err();
    assert_eq!(store.run_count(&name("lab/age")).await.unwrap(), 3);
    assert_eq!(store.run_count(&name("lab/sex")).await.unwrap(), 0);
}

pub(super) async fn lists_are_ordered_by_time_whatever_the_ids(store: &dyn Store) {
    let records =
        [("zz", 10), ("b", 30), ("a", 30), ("0", 20)].map(|(text, when)| PredictionRecord {
            created_at: at(when),
            ..prediction(text)
        });
    store.record(records.into()).await.unwrap();
    let list = async |page| {
        let filter = PredictionFilter::default();
        store.predictions(&filter, page).await.unwrap()
    };
    let first = list(page(3)).await;
    let wanted = ["b", "a", "0"].map(|text| id(text).to_string());
    assert_eq!(ids(first.rows.iter().map(|row| &row.id)), wanted);
    assert_eq!(first.next, Some(Cursor::of(at(20), &id("0"))));
    let rest = list(after(20, &id("0"), 3)).await;
    assert_eq!((rest.rows[0].id.clone(), rest.next), (id("zz"), None));
}

pub(super) async fn parts_are_forgotten_but_of_what_has_feedback(store: &dyn Store) {
    let mut records = ["1", "2", "3", "4"].map(prediction).to_vec();
    records[2] = failed("3", Reason::Exception);
    let file = r#"{"$blob": "predictions/x/0", "size": 1}"#;
    records[3].end = PredictionEnd::Output(Stored::Inline(file.to_owned()));
    for (record, when) in records.iter_mut().zip([10, 20, 30, 40]) {
        record.created_at = at(when);
    }
    let elsewhere = PredictionRecord {
        model: name("lab/sex"),
        created_at: at(10),
        ..prediction("5")
    };
    store.record(records.clone()).await.unwrap();
    store.record(vec![elsewhere.clone()]).await.unwrap();
    store.put_feedback(feedback("f", "2", "ada")).await.unwrap();
    let forget = async |part, until, limit| {
        let model = name("lab/age");
        let forgotten = store.forget(&model, part, at(0)..at(until), limit).await;
        let forgotten = forgotten.unwrap();
        assert!(forgotten.iter().all(|it| it.blobs == (it.id == id("4"))));
        ids(forgotten.iter().map(|it| &it.id))
    };
    let all = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| id(text).to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(forget(RecordPart::Input, 40, 1).await, all(&["1"]));
    assert_eq!(
        forget(RecordPart::Input, 40, 9).await,
        all(&["3"]),
        "2 has feedback, 4 is too young"
    );
    assert_eq!(
        forget(RecordPart::Input, 40, 9).await,
        all(&[]),
        "once each"
    );
    assert_eq!(
        forget(RecordPart::Output, 41, 9).await,
        all(&["1", "4"]),
        "3 has no output"
    );
    assert_eq!(forget(RecordPart::Logs, 20, 9).await, all(&["1"]));
    assert!(records[0].remove(RecordPart::Input) && records[0].remove(RecordPart::Output));
    assert!(records[0].remove(RecordPart::Logs) && records[2].remove(RecordPart::Input));
    assert!(records[3].remove(RecordPart::Output) && !records[2].remove(RecordPart::Output));
    for record in records.into_iter().chain([elsewhere]) {
        let kept = store.prediction(&record.id).await.unwrap();
        assert_eq!(kept, Some(record));
    }
}
