//! Random histories of one model's aliases, played on a store and on a simple model of it, which must agree at every step.
//! Knows only the `Store` port.

use crate::store::suite::{
    make::{self, version},
    places::{self, Place},
};
use onstage_core::{
    ModelName,
    alias::{Alias, Aliased},
    model::{BuildFailure, NewVersion, VersionId, VersionState},
    ports::Store,
};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};
use std::{cell::Cell, collections::BTreeMap};

const SEQUENCES: u32 = 60;
const STEPS: usize = 30;

#[derive(Debug, Clone)]
enum Step {
    Push,
    Fail {
        version: usize,
    },
    Delete {
        version: usize,
    },
    /// From the newest record, or from the one that was read before the last change.
    Point {
        alias: usize,
        version: usize,
        late: bool,
    },
    Remove {
        alias: usize,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let point = (0..3_usize, 0..5_usize, prop::bool::weighted(0.2));
    prop_oneof![
        4 => Just(Step::Push),
        1 => (0..5_usize).prop_map(|version| Step::Fail { version }),
        4 => (0..5_usize).prop_map(|version| Step::Delete { version }),
        8 => point.prop_map(|(alias, version, late)| Step::Point { alias, version, late }),
        3 => (0..3_usize).prop_map(|alias| Step::Remove { alias }),
    ]
}

#[test]
fn memory_agrees() {
    agrees(places::memory);
}

#[test]
fn sqlite_agrees() {
    agrees(places::sqlite);
}

#[test]
fn postgres_agrees() {
    agrees(places::postgres);
}

#[test]
fn mysql_agrees() {
    agrees(places::mysql);
}

fn agrees<F: Future<Output = Place>>(place: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let place = runtime.block_on(place());
    let (store, world) = (runtime.block_on(place.open()), Cell::new(0));
    let config = ProptestConfig {
        cases: SEQUENCES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in vec(any_step(), STEPS))| {
        world.set(world.get() + 1);
        runtime.block_on(async {
            let mut play = Play::new(&*store, world.get()).await;
            for step in &steps {
                play.step(step).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    });
}

/// What is known without the store: which versions there are, and what points where.
struct Play<'a> {
    store: &'a dyn Store,
    model: ModelName,
    /// By number, less one: whether it is there.
    versions: Vec<bool>,
    aliases: BTreeMap<usize, usize>,
    changes: u64,
}

impl<'a> Play<'a> {
    async fn new(store: &'a dyn Store, world: u32) -> Self {
        let model: ModelName = format!("lab/w{world}").parse().unwrap();
        store
            .ensure_model(make::model(&model.to_string()))
            .await
            .unwrap();
        Self {
            store,
            model,
            versions: Vec::new(),
            aliases: BTreeMap::new(),
            changes: 0,
        }
    }

    fn id(&self, place: usize) -> VersionId {
        version(&format!("{}-{place}", self.model))
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Push => {
                let id = self.id(self.versions.len());
                let new = NewVersion {
                    id,
                    ..make::new_version(&self.model.to_string(), "any")
                };
                self.store.add_version(new).await.unwrap();
                self.versions.push(true);
            }
            Step::Fail { version } => {
                let error = BuildFailure {
                    kind: "timeout".to_owned(),
                    message: String::new(),
                    traceback: None,
                    hint: None,
                };
                let state = VersionState::Failed { error };
                // What failed is still there to be pointed at; what was deleted stays so.
                let _ = self.store.set_version_state(&self.id(version), state).await;
            }
            Step::Delete { version } => {
                let state = VersionState::Deleted;
                let done = self.store.set_version_state(&self.id(version), state).await;
                let there = self.versions.get(version) == Some(&true);
                let pointed = self.aliases.values().any(|at| *at == version);
                prop_assert_eq!(done.is_ok(), there && !pointed, "{:?}", done);
                if done.is_ok() {
                    self.versions[version] = false;
                }
            }
            Step::Point {
                alias,
                version,
                late,
            } => self.point(alias, version, late).await?,
            Step::Remove { alias } => {
                let mut model = self.store.model(&self.model).await.unwrap().unwrap();
                let was = model.aliases.remove(&name(alias));
                prop_assert_eq!(was.is_some(), self.aliases.remove(&alias).is_some());
                self.store.update_model(model).await.unwrap();
                self.changes += 1;
            }
        }
        self.check().await
    }

    async fn point(
        &mut self,
        alias: usize,
        version: usize,
        late: bool,
    ) -> Result<(), TestCaseError> {
        let mut model = self.store.model(&self.model).await.unwrap().unwrap();
        let to = Aliased {
            version: self.id(version),
            number: version as u32 + 1,
        };
        let same = model.aliases.insert(name(alias), to.clone()) == Some(to);
        model.revision -= u64::from(late && model.revision > 0);
        let late = late && self.changes > 0;
        let done = self.store.update_model(model).await;
        let there = self.versions.get(version) == Some(&true);
        prop_assert_eq!(done.is_ok(), !late && (there || same), "{:?}", done);
        if done.is_ok() {
            self.aliases.insert(alias, version);
            self.changes += 1;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let model = self.store.model(&self.model).await.unwrap().unwrap();
        prop_assert_eq!(model.revision, self.changes);
        let seen = model
            .aliases
            .iter()
            .map(|(alias, to)| (alias.clone(), to.number));
        let known = self
            .aliases
            .iter()
            .map(|(alias, at)| (name(*alias), *at as u32 + 1));
        prop_assert_eq!(seen.collect::<Vec<_>>(), known.collect::<Vec<_>>());
        for to in model.aliases.values() {
            let version = self.store.version(&to.version).await.unwrap().unwrap();
            prop_assert!(!matches!(version.state, VersionState::Deleted));
        }
        Ok(())
    }
}

fn name(alias: usize) -> Alias {
    ["champion", "staging", "trial"][alias].parse().unwrap()
}
