//! Cases for models and versions.
//! Each starts with an empty store.

use super::make::{self, at, kind_of, model, name, new_version, page, version};
use onstage_core::{
    Kind,
    job::NewJob,
    model::{BuildFailure, Model, NewVersion, VersionState, Withdrawn},
    outcome::Phase,
    ports::{Page, Store},
    schema::{Components, ModelSchema},
};
use std::sync::Arc;

pub(super) fn ready() -> VersionState {
    VersionState::Ready {
        schema: Arc::new(ModelSchema {
            title: "Age".to_owned(),
            help: String::new(),
            function: "age".to_owned(),
            background: false,
            streams: false,
            many: None,
            training: None,
            components: Components {
                schemas: serde_json::Map::new(),
            },
        }),
        withdrawn: None,
        environment_sha256: Some("e".repeat(64)),
    }
}

fn withdrawn(schema: VersionState) -> VersionState {
    let VersionState::Ready {
        schema,
        environment_sha256,
        ..
    } = schema
    else {
        panic!("only a ready version can be withdrawn");
    };
    let withdrawn = Some(Withdrawn {
        why: "3 of its workers died in a row".to_owned(),
        at: at(7),
    });
    VersionState::Ready {
        schema,
        withdrawn,
        environment_sha256,
    }
}

/// With another schema than `ready`.
fn other() -> VersionState {
    let VersionState::Ready { mut schema, .. } = ready() else {
        unreachable!("it is ready");
    };
    Arc::make_mut(&mut schema).title = "Other".to_owned();
    VersionState::Ready {
        schema,
        withdrawn: None,
        environment_sha256: None,
    }
}

fn failed() -> VersionState {
    VersionState::Failed {
        error: BuildFailure {
            kind: "timeout".to_owned(),
            message: "too slow".to_owned(),
            traceback: None,
            hint: Some("give it more time".to_owned()),
        },
    }
}

pub(super) async fn a_model_is_made_once(store: &dyn Store) {
    assert_eq!(store.model(&name("lab/age")).await.unwrap(), None);
    assert_eq!(
        store.ensure_model(model("lab/age")).await.unwrap(),
        model("lab/age")
    );
    let other = Model {
        title: "Other".to_owned(),
        ..model("lab/age")
    };
    assert_eq!(store.ensure_model(other).await.unwrap(), model("lab/age"));
    assert_eq!(
        store.model(&name("lab/age")).await.unwrap(),
        Some(model("lab/age"))
    );
}

pub(super) async fn models_are_listed_by_name_in_pages(store: &dyn Store) {
    for text in ["lab/c", "lab-2/x", "lab/a", "art/z", "lab/b"] {
        store.ensure_model(model(text)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let models = store
            .models(Page {
                after: cursor,
                limit: 2,
            })
            .await
            .unwrap();
        seen.extend(models.rows.iter().map(|model| model.name.to_string()));
        cursor = models.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["art/z", "lab-2/x", "lab/a", "lab/b", "lab/c"]);
    let none = Page {
        after: None,
        limit: 0,
    };
    assert!(store.models(none).await.unwrap().rows.is_empty());
}

pub(super) async fn a_change_needs_the_newest_revision(store: &dyn Store) {
    let first = store.ensure_model(model("lab/age")).await.unwrap();
    let new = new_version("lab/age", "v-two");
    store.add_version(new).await.unwrap();
    let made = store.set_version_state(&version("v-two"), ready()).await;
    made.unwrap();
    let wanted = Model {
        title: "New".to_owned(),
        about: "More".to_owned(),
        live: Some(version("v-two")),
        previous: Some(version("v-one")),
        ..first.clone()
    };
    let second = store.update_model(wanted.clone()).await.unwrap();
    assert_eq!(
        second,
        Model {
            revision: first.revision + 1,
            ..wanted.clone()
        }
    );
    assert_eq!(kind_of(store.update_model(wanted).await), Kind::Conflict);
    assert_eq!(store.model(&first.name).await.unwrap(), Some(second));
    assert_eq!(
        kind_of(store.update_model(model("lab/none")).await),
        Kind::NotFound
    );
}

pub(super) async fn versions_are_numbered_per_model(store: &dyn Store) {
    let missing = store.add_version(new_version("lab/age", "a1")).await;
    assert_eq!(kind_of(missing), Kind::NotFound);
    for text in ["lab/age", "lab/sex"] {
        store.ensure_model(model(text)).await.unwrap();
    }
    for (of, text, number) in [
        ("lab/age", "a1", 1),
        ("lab/sex", "s1", 1),
        ("lab/age", "a2", 2),
    ] {
        let new = new_version(of, text);
        let (version, is_new) = store.add_version(new.clone()).await.unwrap();
        assert!(is_new);
        assert_eq!((version.number, version.state.name()), (number, "building"));
        assert_eq!(
            (version.bundle.clone(), version.config.clone()),
            (new.bundle, new.config)
        );
        assert_eq!(store.version(&version.id).await.unwrap(), Some(version));
    }
    let versions = store.versions(&name("lab/age")).await.unwrap();
    let numbers: Vec<u32> = versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(store.version(&version("none")).await.unwrap(), None);
}

pub(super) async fn the_same_version_is_added_once(store: &dyn Store) {
    store.ensure_model(model("lab/age")).await.unwrap();
    store.ensure_model(model("lab/sex")).await.unwrap();
    let (first, _) = store
        .add_version(new_version("lab/age", "a1"))
        .await
        .unwrap();
    let again = store
        .add_version(new_version("lab/age", "a1"))
        .await
        .unwrap();
    assert_eq!(again, (first.clone(), false));
    let ready = store.set_version_state(&first.id, ready()).await.unwrap();
    let again = store
        .add_version(new_version("lab/age", "a1"))
        .await
        .unwrap();
    assert_eq!(again, (ready, false));
    let other = store.add_version(new_version("lab/sex", "a1")).await;
    assert_eq!(kind_of(other), Kind::Conflict);
}

pub(super) async fn a_failed_or_deleted_version_is_built_again_under_its_number(store: &dyn Store) {
    store.ensure_model(model("lab/age")).await.unwrap();
    for text in ["a1", "a2"] {
        store
            .add_version(new_version("lab/age", text))
            .await
            .unwrap();
    }
    for end in [failed(), VersionState::Deleted] {
        store.set_version_state(&version("a1"), end).await.unwrap();
        let new = NewVersion {
            created_at: at(99),
            ..new_version("lab/age", "a1")
        };
        let (again, is_new) = store.add_version(new).await.unwrap();
        assert!(!is_new);
        assert_eq!(
            (again.number, again.state.name(), again.created_at),
            (1, "building", at(99))
        );
        assert_eq!(store.version(&version("a1")).await.unwrap(), Some(again));
    }
}

pub(super) async fn a_version_moves_only_forward(store: &dyn Store) {
    store.ensure_model(model("lab/age")).await.unwrap();
    let building = || VersionState::Building {
        phase: Phase::Installing,
        text: "numpy".to_owned(),
    };
    let steps = [
        (vec![building()], vec![]),
        (vec![ready()], vec![building(), failed(), ready()]),
        (vec![failed()], vec![building(), ready(), failed()]),
        (
            vec![ready(), VersionState::Deleted],
            vec![building(), ready(), failed(), VersionState::Deleted],
        ),
        (vec![VersionState::Deleted], vec![building()]),
        (
            vec![
                ready(),
                withdrawn(ready()),
                withdrawn(ready()),
                VersionState::Deleted,
            ],
            vec![withdrawn(ready())],
        ),
        (vec![ready()], vec![withdrawn(other())]),
    ];
    for (place, (allowed, refused)) in steps.into_iter().enumerate() {
        let text = format!("a{place}");
        store
            .add_version(new_version("lab/age", &text))
            .await
            .unwrap();
        for state in allowed {
            let moved = store
                .set_version_state(&version(&text), state.clone())
                .await
                .unwrap();
            assert_eq!(moved.state, state);
            assert_eq!(store.version(&version(&text)).await.unwrap(), Some(moved));
        }
        for state in refused {
            let before = store.version(&version(&text)).await.unwrap();
            assert_eq!(
                kind_of(store.set_version_state(&version(&text), state).await),
                Kind::Conflict
            );
            assert_eq!(store.version(&version(&text)).await.unwrap(), before);
        }
    }
    assert_eq!(
        kind_of(store.set_version_state(&version("none"), ready()).await),
        Kind::NotFound
    );
}

pub(super) async fn building_versions_come_oldest_first(store: &dyn Store) {
    store.ensure_model(model("lab/age")).await.unwrap();
    for (text, created) in [("b", 3), ("c", 1), ("a", 3), ("d", 2)] {
        let new = NewVersion {
            created_at: at(created),
            ..new_version("lab/age", text)
        };
        store.add_version(new).await.unwrap();
    }
    store
        .set_version_state(&version("d"), ready())
        .await
        .unwrap();
    let building = store.building().await.unwrap();
    let found: Vec<&str> = building
        .iter()
        .map(|version| version.id.0.as_str())
        .collect();
    assert_eq!(found, ["c", "a", "b"]);
}

pub(super) async fn the_revision_changes_with_every_change(store: &dyn Store) {
    let mut seen = store.catalog_revision().await.unwrap();
    let mut changed = async |what: &str| {
        let now = store.catalog_revision().await.unwrap();
        assert_ne!(now, seen, "{what}");
        seen = now;
    };
    let made = store.ensure_model(model("lab/age")).await.unwrap();
    changed("a new model").await;
    store
        .add_version(new_version("lab/age", "a1"))
        .await
        .unwrap();
    changed("a new version").await;
    store
        .set_version_state(&version("a1"), ready())
        .await
        .unwrap();
    changed("a version's state").await;
    store.update_model(made.clone()).await.unwrap();
    changed("a changed model").await;
    let before = store.catalog_revision().await.unwrap();
    store.ensure_model(model("lab/age")).await.unwrap();
    store.update_model(made).await.unwrap_err();
    store.submit(make::new_job("1")).await.unwrap();
    assert_eq!(
        store.catalog_revision().await.unwrap(),
        before,
        "nothing changed"
    );
    store.request_cancel(&make::id("1"), at(1)).await.unwrap();
    store.delete_model(&name("lab/age")).await.unwrap();
    assert_ne!(store.catalog_revision().await.unwrap(), before);
}

pub(super) async fn deleting_a_model_takes_what_is_its_own(store: &dyn Store) {
    for text in ["lab/age", "lab/sex"] {
        store.ensure_model(model(text)).await.unwrap();
    }
    store
        .add_version(new_version("lab/age", "a1"))
        .await
        .unwrap();
    store
        .add_version(new_version("lab/sex", "s1"))
        .await
        .unwrap();
    store.record(vec![make::prediction("p1")]).await.unwrap();
    let mut kept = make::prediction("p2");
    kept.model = name("lab/sex");
    store.record(vec![kept.clone()]).await.unwrap();
    store
        .put_feedback(make::feedback("f1", "p1", "kim"))
        .await
        .unwrap();
    store
        .submit(make::keyed("j1", "key", "body"))
        .await
        .unwrap();
    store.request_cancel(&make::id("j1"), at(1)).await.unwrap();

    store.delete_model(&name("lab/age")).await.unwrap();
    assert_eq!(store.model(&name("lab/age")).await.unwrap(), None);
    assert_eq!(store.version(&version("a1")).await.unwrap(), None);
    assert_eq!(store.prediction(&make::id("p1")).await.unwrap(), None);
    assert_eq!(store.job(&make::id("j1")).await.unwrap(), None);
    assert_eq!(store.run_count(&name("lab/age")).await.unwrap(), 0);
    assert!(
        store
            .feedback(&Default::default(), page(9))
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    assert!(store.version(&version("s1")).await.unwrap().is_some());
    assert_eq!(store.prediction(&kept.id).await.unwrap(), Some(kept));
    let other = NewJob {
        model: name("lab/sex"),
        ..make::keyed("j2", "key", "other body")
    };
    let again = store.submit(other).await.unwrap();
    assert!(again.new, "the key went with its job");
    assert_eq!(
        kind_of(store.delete_model(&name("lab/age")).await),
        Kind::NotFound
    );
}

pub(super) async fn a_model_with_open_jobs_stays(store: &dyn Store) {
    store.ensure_model(model("lab/age")).await.unwrap();
    store.submit(make::new_job("1")).await.unwrap();
    assert_eq!(
        kind_of(store.delete_model(&name("lab/age")).await),
        Kind::Conflict
    );
    let lease = make::claim_again(store, &make::id("1"), 200)
        .await
        .lease()
        .unwrap();
    assert_eq!(
        kind_of(store.delete_model(&name("lab/age")).await),
        Kind::Conflict
    );
    let end = make::output("1");
    store
        .finish(&lease, end, &make::policy(), 0.0, at(300))
        .await
        .unwrap();
    store.delete_model(&name("lab/age")).await.unwrap();
}

pub(super) async fn a_model_with_much_of_its_own_goes_as_well(store: &dyn Store) {
    store.ensure_model(model("lab/age")).await.unwrap();
    let record = |place: u32| make::prediction(&place.to_string());
    store
        .record((0..2_300).map(record).collect())
        .await
        .unwrap();
    for text in ["a", "b", "c"] {
        let lease = make::claimed(store, text).await;
        let events = (0..700).map(|_| make::event("{}")).collect();
        store
            .append_events(&make::id(text), Some(&lease), events)
            .await
            .unwrap();
        let end = make::output("1");
        store
            .finish(&lease, end, &make::policy(), 0.0, at(300))
            .await
            .unwrap();
    }
    store.delete_model(&name("lab/age")).await.unwrap();
    assert_eq!(store.model(&name("lab/age")).await.unwrap(), None);
    let records = store.predictions(&Default::default(), page(9)).await;
    assert!(records.unwrap().rows.is_empty());
    let jobs = store.jobs(&Default::default(), page(9)).await;
    assert!(jobs.unwrap().rows.is_empty());
    assert!(store.events(&make::id("a"), 0, 9).await.unwrap().is_empty());
}

pub(super) async fn concurrent_pushes_get_different_numbers(store: &dyn Store) {
    store.ensure_model(model("lab/age")).await.unwrap();
    let push = |place: u32| store.add_version(new_version("lab/age", &format!("a{place}")));
    let pushed = futures::future::join_all((0..20).map(push)).await;
    let mut numbers: Vec<u32> = pushed
        .into_iter()
        .map(|one| one.unwrap().0.number)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u32>>());
}
