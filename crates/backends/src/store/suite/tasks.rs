//! Cases for tasks.
//! Each starts with an empty store.

use super::make::{after, at, id, ids, kind_of, owner, page, task};
use onstage_core::{Kind, ports::Store, task::Task};

pub(super) async fn a_task_registers_once(store: &dyn Store) {
    store.register_task(task("1")).await.unwrap();
    let doubled = Task {
        incarnation: owner("double"),
        ..task("1")
    };
    assert_eq!(kind_of(store.register_task(doubled).await), Kind::Conflict);
    assert_eq!(store.tasks(page(9)).await.unwrap().rows, [task("1")]);
    let register = |_| store.register_task(task("2"));
    let many = futures::future::join_all((0..8).map(register)).await;
    assert_eq!(many.iter().filter(|one| one.is_ok()).count(), 1);
}

pub(super) async fn tasks_that_ended_long_ago_are_forgotten(store: &dyn Store) {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    for text in ["1", "2", "3"] {
        store.register_task(task(text)).await.unwrap();
    }
    for (text, now) in [("1", at(2)), ("2", at(3 * DAY_MS))] {
        store.end_task(&id(text), "done", now).await.unwrap();
    }
    let later = Task {
        started_at: at(8 * DAY_MS),
        ..task("4")
    };
    store.register_task(later).await.unwrap();
    let left = store.tasks(page(9)).await.unwrap().rows;
    let left = ids(left.iter().map(|task| &task.id));
    assert_eq!(left, ["4", "3", "2"].map(|text| id(text).to_string()));
}

pub(super) async fn beats_count_and_need_the_incarnation(store: &dyn Store) {
    store.register_task(task("1")).await.unwrap();
    store.beat_task(&id("1"), &owner("me")).await.unwrap();
    store.beat_task(&id("1"), &owner("me")).await.unwrap();
    assert_eq!(
        kind_of(store.beat_task(&id("1"), &owner("other")).await),
        Kind::Lost
    );
    assert_eq!(
        kind_of(store.beat_task(&id("none"), &owner("me")).await),
        Kind::NotFound
    );
    assert_eq!(
        store.tasks(page(9)).await.unwrap().rows,
        [Task {
            beat: 2,
            ..task("1")
        }]
    );
}

pub(super) async fn the_first_end_stays(store: &dyn Store) {
    store.register_task(task("1")).await.unwrap();
    store
        .end_task(&id("1"), "nothing to do", at(50))
        .await
        .unwrap();
    store.end_task(&id("1"), "killed", at(60)).await.unwrap();
    assert_eq!(
        kind_of(store.beat_task(&id("1"), &owner("me")).await),
        Kind::Lost
    );
    let ended = Task {
        ended_at: Some(at(50)),
        end: Some("nothing to do".to_owned()),
        ..task("1")
    };
    assert_eq!(store.tasks(page(9)).await.unwrap().rows, [ended]);
    assert_eq!(
        kind_of(store.end_task(&id("none"), "x", at(1)).await),
        Kind::NotFound
    );
}

pub(super) async fn tasks_are_listed_in_pages(store: &dyn Store) {
    for text in ["2", "1", "3"] {
        store.register_task(task(text)).await.unwrap();
    }
    let first = store.tasks(page(2)).await.unwrap().rows;
    assert_eq!(
        ids(first.iter().map(|task| &task.id)),
        [id("3").to_string(), id("2").to_string()]
    );
    let rest = store.tasks(after(1, &id("2"), 2)).await.unwrap().rows;
    assert_eq!(rest, [task("1")]);
}
