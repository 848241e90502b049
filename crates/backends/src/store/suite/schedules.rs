//! Cases for schedules.
//! Each starts with an empty store.

use super::make::{after, at, id, kind_of, model, name, page};
use onstage_core::{
    Kind,
    job::JobKind,
    people::{Principal, Role},
    ports::Store,
    schedule::{Overlap, Pace, Schedule, TickFate, When},
};
use std::time::Duration;

/// Every 10 s from 0 on, next at 10 s.
pub(in crate::store) fn schedule(text: &str) -> Schedule {
    let mut schedule = Schedule {
        id: id(text),
        model: name("lab/age"),
        name: Some("nightly".to_owned()),
        kind: JobKind::Batch,
        version: Some("staging".to_owned()),
        request: "{\"table\":\"onstage://datasets/labels\"}".to_owned(),
        when: When::every(Duration::from_secs(10), at(0)).unwrap(),
        catch_up: true,
        overlap: Overlap::Skip,
        by: Principal {
            id: id("person"),
            role: Role::Owner,
            name: "it's me \u{e4}".to_owned(),
        },
        by_token: true,
        created_at: at(5),
        pace: Pace::Paused { why: None },
        last: None,
        last_job: None,
        revision: 0,
    };
    schedule.go_on_after(at(0));
    schedule
}

async fn models(store: &dyn Store) {
    for text in ["lab/age", "lab/sex"] {
        store.ensure_model(model(text)).await.unwrap();
    }
}

pub(super) async fn a_schedule_comes_back_is_changed_and_removed(store: &dyn Store) {
    let missing = store.add_schedule(schedule("1")).await;
    assert_eq!(kind_of(missing), Kind::NotFound, "there is no such model");
    models(store).await;
    store.add_schedule(schedule("1")).await.unwrap();
    let again = store.add_schedule(schedule("1")).await;
    assert_eq!(kind_of(again), Kind::Conflict);
    assert_eq!(store.schedule(&id("1")).await.unwrap(), Some(schedule("1")));
    let mut wanted = schedule("1");
    wanted.settle(at(10_000), TickFate::Made { job: id("job") });
    let changed = store.update_schedule(wanted.clone()).await.unwrap();
    assert_eq!(
        changed,
        Schedule {
            revision: 1,
            ..wanted
        }
    );
    assert_eq!(store.schedule(&id("1")).await.unwrap(), Some(changed));
    store.remove_schedule(&id("1")).await.unwrap();
    assert_eq!(store.schedule(&id("1")).await.unwrap(), None);
    assert_eq!(
        kind_of(store.remove_schedule(&id("1")).await),
        Kind::NotFound
    );
    let gone = store.update_schedule(schedule("1")).await;
    assert_eq!(kind_of(gone), Kind::NotFound);
}

pub(super) async fn a_change_of_a_schedule_needs_the_newest_revision(store: &dyn Store) {
    models(store).await;
    store.add_schedule(schedule("1")).await.unwrap();
    let newer = store.update_schedule(schedule("1")).await.unwrap();
    let late = store.update_schedule(schedule("1")).await;
    assert_eq!(kind_of(late), Kind::Conflict);
    assert_eq!(store.schedule(&id("1")).await.unwrap(), Some(newer));
}

pub(super) async fn schedules_are_listed_by_model_and_in_pages(store: &dyn Store) {
    models(store).await;
    for (text, of, created) in [
        ("a", "lab/age", 3),
        ("b", "lab/sex", 2),
        ("c", "lab/age", 1),
        ("d", "lab/age", 2),
    ] {
        let new = Schedule {
            model: name(of),
            created_at: at(created),
            ..schedule(text)
        };
        store.add_schedule(new).await.unwrap();
    }
    let first = store.schedules(None, page(2)).await.unwrap();
    let ids = |rows: &[Schedule]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first.rows), [id("a"), id("d")]);
    let rest = store.schedules(None, after(2, &id("d"), 9)).await.unwrap();
    assert_eq!(ids(&rest.rows), [id("b"), id("c")]);
    assert_eq!(rest.next, None);
    let of_age = store.schedules(Some(&name("lab/age")), page(9)).await;
    assert_eq!(ids(&of_age.unwrap().rows), [id("a"), id("d"), id("c")]);
}

pub(super) async fn the_soonest_come_first_and_paused_ones_not_at_all(store: &dyn Store) {
    models(store).await;
    assert!(store.soonest_schedules(9).await.unwrap().is_empty());
    for (text, from, held) in [
        ("a", 20_000, None),
        ("b", 0, Some(70_000)),
        ("c", 5_000, None),
        ("d", 0, None),
    ] {
        let mut new = schedule(text);
        new.go_on_after(at(from));
        if let Some(held) = held {
            new.hold(at(held));
        }
        if text == "d" {
            new.pace = Pace::Paused {
                why: Some("no".to_owned()),
            };
        }
        store.add_schedule(new).await.unwrap();
    }
    let soonest = store.soonest_schedules(9).await.unwrap();
    let found: Vec<_> = soonest
        .iter()
        .map(|row| (row.id.clone(), row.due_at().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            (id("c"), at(10_000)),
            (id("a"), at(30_000)),
            (id("b"), at(70_000))
        ]
    );
    assert_eq!(store.soonest_schedules(1).await.unwrap(), soonest[..1]);
}

pub(super) async fn schedules_go_with_their_model(store: &dyn Store) {
    models(store).await;
    store.add_schedule(schedule("1")).await.unwrap();
    let other = Schedule {
        model: name("lab/sex"),
        ..schedule("2")
    };
    store.add_schedule(other.clone()).await.unwrap();
    store.delete_model(&name("lab/age")).await.unwrap();
    let left = store.schedules(None, page(9)).await.unwrap().rows;
    assert_eq!(left, [other]);
}

pub(super) async fn of_many_who_hold_a_schedule_one_does(store: &dyn Store) {
    models(store).await;
    store.add_schedule(schedule("1")).await.unwrap();
    for round in 1..=10_u64 {
        let known = store.schedule(&id("1")).await.unwrap().unwrap();
        let hold = |front: i64| {
            let mut held = known.clone();
            held.hold(at(front));
            store.update_schedule(held)
        };
        let held = futures::future::join_all((0..8).map(hold)).await;
        assert_eq!(held.iter().filter(|one| one.is_ok()).count(), 1);
        let now = store.schedule(&id("1")).await.unwrap().unwrap();
        assert_eq!(now.revision, round);
    }
}
