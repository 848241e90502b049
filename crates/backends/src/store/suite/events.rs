//! Cases for the numbered event logs.
//! Each starts with an empty store.

use super::make::{self, at, claimed, event, id, kind_of, new_job};
use onstage_core::{
    Kind,
    event::{Event, EventKind, NewEvent},
    ports::Store,
};
use std::collections::HashSet;

pub(super) async fn events_are_numbered_from_one_without_gaps(store: &dyn Store) {
    store.submit(new_job("1")).await.unwrap();
    store.submit(new_job("2")).await.unwrap();
    let append = async |job, events| store.append_events(&id(job), None, events).await.unwrap();
    assert_eq!(append("1", vec![]).await, 0);
    assert_eq!(append("1", vec![event("a"), event("b")]).await, 2);
    assert_eq!(append("2", vec![event("other")]).await, 1);
    let progress = NewEvent {
        kind: EventKind::Progress,
        at: at(5),
        data: "{\"done\":1}".to_owned(),
    };
    assert_eq!(append("1", vec![progress]).await, 3);
    assert_eq!(append("1", vec![]).await, 3);
    let log = |seq, data: &str| Event {
        seq,
        kind: EventKind::Log,
        at: at(77),
        data: data.to_owned(),
    };
    let third = Event {
        seq: 3,
        kind: EventKind::Progress,
        at: at(5),
        data: "{\"done\":1}".to_owned(),
    };
    let events = store.events(&id("1"), 0, 10).await.unwrap();
    assert_eq!(events, [log(1, "a"), log(2, "b"), third]);
    let many = (0..1_200).map(|n| event(&n.to_string())).collect();
    assert_eq!(append("2", many).await, 1_201);
    let last = store.events(&id("2"), 1_200, 10).await.unwrap();
    assert_eq!(last, [log(1_201, "1199")]);
}

pub(super) async fn events_are_read_after_a_number(store: &dyn Store) {
    store.submit(new_job("1")).await.unwrap();
    let events = (0..10).map(|n| event(&n.to_string())).collect();
    store.append_events(&id("1"), None, events).await.unwrap();
    let numbers = async |after, limit| {
        let events = store.events(&id("1"), after, limit).await.unwrap();
        events
            .into_iter()
            .map(|event| event.seq)
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(0, 3).await, [1, 2, 3]);
    assert_eq!(numbers(3, 3).await, [4, 5, 6]);
    assert_eq!(numbers(8, 100).await, [9, 10]);
    assert!(numbers(10, 100).await.is_empty());
}

pub(super) async fn a_lost_lease_appends_nothing(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    store
        .append_events(&id("1"), Some(&lease), vec![event("mine")])
        .await
        .unwrap();
    store
        .expire(&lease, 0, make::lost_worker(), at(300))
        .await
        .unwrap();
    let late = store
        .append_events(&id("1"), Some(&lease), vec![event("late")])
        .await;
    assert_eq!(kind_of(late), Kind::Lost);
    assert_eq!(
        store
            .append_events(&id("1"), None, vec![event("front")])
            .await
            .unwrap(),
        2
    );
}

pub(super) async fn concurrent_writers_share_the_numbers(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    let append = |place: u32| {
        let lease = place.is_multiple_of(2).then(|| lease.clone());
        async move {
            let events = vec![event(&format!("{place}a")), event(&format!("{place}b"))];
            store
                .append_events(&id("1"), lease.as_ref(), events)
                .await
                .unwrap()
        }
    };
    let beat = store.beat(&lease, make::beat());
    let (lasts, beaten) = futures::join!(futures::future::join_all((0..20).map(append)), beat);
    beaten.unwrap();
    assert_eq!(lasts.into_iter().collect::<HashSet<_>>().len(), 20);
    let events = store.events(&id("1"), 0, 100).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
    for pair in events.chunks(2) {
        assert_eq!(
            pair[0].data.trim_end_matches('a'),
            pair[1].data.trim_end_matches('b'),
            "a group stays together"
        );
    }
}

pub(super) async fn events_of_unknown_jobs_are_refused(store: &dyn Store) {
    let none = store
        .append_events(&id("none"), None, vec![event("x")])
        .await;
    assert_eq!(kind_of(none), Kind::NotFound);
}
