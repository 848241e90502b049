//! Keeps the schedules that models' folders ask for as the live versions say them: made, changed and removed with the folder.
//! Does not decide what has to change (core does), and leaves those alone that people made.

use crate::{catalog::Catalog, parts::Parts};
use onstage_core::{
    Id, Kind, ModelName, Result, Timestamp,
    config::SchedulesSection,
    model::VersionId,
    ports::{Page, Store},
    schedule::{
        Schedule,
        folder::{Change, changes},
    },
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// When the store was away.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How often it is looked whether a version that went live asks for others.
const LOOK_EVERY: Duration = Duration::from_secs(600);
const PAGE_SCHEDULES: u32 = 200;
/// Characters of a table's name that go into its schedule's id.
const ID_NAME_CHARS_MAX: usize = 30;

/// What the live versions ask for.
type Live = BTreeMap<ModelName, (VersionId, SchedulesSection)>;

pub(crate) async fn run(
    parts: Parts,
    catalog: Arc<Catalog>,
    nudged: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut changed = catalog.changed.subscribe();
    let mut done: BTreeMap<ModelName, VersionId> = BTreeMap::new();
    loop {
        changed.mark_unchanged();
        let mut wait = LOOK_EVERY;
        let mut news = live(&catalog);
        news.retain(|model, (version, _)| done.get(model) != Some(version));
        if !news.is_empty() {
            match keep(&*parts.store, &news, parts.clock.now()).await {
                Ok(kept) => {
                    if kept.any {
                        nudged.notify_one();
                    }
                    if !kept.contested.is_empty() {
                        wait = TRY_AGAIN;
                    }
                    news.retain(|model, _| !kept.contested.contains(model));
                    let same = news.into_iter();
                    done.extend(same.map(|(model, (version, _))| (model, version)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the schedules of folders cannot be kept now; it is tried again");
                    wait = TRY_AGAIN;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changed.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn live(catalog: &Catalog) -> Live {
    let all = catalog.all_live().into_iter().filter(|loaded| {
        // Nobody has pushed the trainer's folder to the model that a training gave its version to.
        let lineage = loaded.version.lineage.as_ref();
        lineage.is_none_or(|it| it.trainer_model == loaded.version.model)
    });
    all.map(|loaded| {
        let version = &loaded.version;
        let wanted = (version.id.clone(), version.config.schedules.clone());
        (version.model.clone(), wanted)
    })
    .collect()
}

/// What a look has come to.
#[derive(Debug, Default)]
struct Kept {
    /// Something was changed.
    any: bool,
    /// Whose schedules others changed at the same moment: to be looked at again.
    contested: BTreeSet<ModelName>,
}

async fn keep(store: &dyn Store, wanted: &Live, now: Timestamp) -> Result<Kept> {
    settle(store, &all(store).await?, wanted, now).await
}

async fn settle(
    store: &dyn Store,
    there: &BTreeMap<ModelName, Vec<Schedule>>,
    wanted: &Live,
    now: Timestamp,
) -> Result<Kept> {
    let mut kept = Kept::default();
    for (model, (_, section)) in wanted {
        let known = there.get(model).map_or(&[][..], Vec::as_slice);
        for change in changes(model, section, known, |name| id_of(model, name), now) {
            kept.any = true;
            match make(store, change).await {
                // Another front was first, a tick came, or the model is gone.
                Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => {
                    tracing::debug!(%model, %error, "a schedule was changed by others");
                    kept.contested.insert(model.clone());
                }
                made => made?,
            }
        }
    }
    Ok(kept)
}

async fn make(store: &dyn Store, change: Change) -> Result<()> {
    match change {
        Change::Add(new) => {
            tracing::info!(schedule = %new.id, model = %new.model, "a folder asks for a schedule");
            store.add_schedule(new).await
        }
        Change::Update(next) => {
            tracing::info!(schedule = %next.id, model = %next.model, "a folder asks for another schedule");
            store.update_schedule(next).await.map(drop)
        }
        Change::Remove(id) => {
            tracing::info!(schedule = %id, "a folder asks for a schedule no more");
            store.remove_schedule(&id).await
        }
    }
}

async fn all(store: &dyn Store) -> Result<BTreeMap<ModelName, Vec<Schedule>>> {
    let mut all: BTreeMap<ModelName, Vec<Schedule>> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = Page {
            after,
            limit: PAGE_SCHEDULES,
        };
        let read = store.schedules(None, page).await?;
        for schedule in read.rows {
            all.entry(schedule.model.clone())
                .or_default()
                .push(schedule);
        }
        after = read.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// The same on every front.
fn id_of(model: &ModelName, name: &str) -> Id {
    let digest = Sha256::digest(format!("{model}\0{name}"));
    let mut id: String = name.chars().take(ID_NAME_CHARS_MAX).collect();
    id.push('-');
    for byte in &digest[..8] {
        let _ = write!(id, "{byte:02x}");
    }
    id.parse().expect("a table's name and digits are an id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::{config::ModelConfig, model::Model};
    use serde_json::json;

    fn asks(every: &str) -> Live {
        let config = json!({"model": {"name": "age"}, "schedules": {"often": {"every": every, "input": {"x": 1}}}});
        let config: ModelConfig = serde_json::from_value(config).unwrap();
        let version = (VersionId("v".repeat(64)), config.schedules);
        BTreeMap::from([("lab/age".parse().unwrap(), version)])
    }

    fn model() -> Model {
        Model::new("lab/age".parse().unwrap(), Timestamp(0))
    }

    #[tokio::test]
    async fn what_others_changed_at_the_same_moment_is_looked_at_again() {
        let store = onstage_backends::store::memory();
        store.ensure_model(model()).await.unwrap();
        let kept = keep(&*store, &asks("1h"), Timestamp(0)).await.unwrap();
        assert!(kept.any && kept.contested.is_empty());
        let read = all(&*store).await.unwrap();
        let mut ticked = read.values().next().unwrap()[0].clone();
        ticked.hold(Timestamp(1_000));
        store.update_schedule(ticked).await.unwrap();
        let other = asks("2h");
        let kept = settle(&*store, &read, &other, Timestamp(0)).await.unwrap();
        assert_eq!(kept.contested.len(), 1, "what was read is out of date");
        let kept = keep(&*store, &other, Timestamp(0)).await.unwrap();
        assert!(kept.any && kept.contested.is_empty());
        let kept = keep(&*store, &other, Timestamp(0)).await.unwrap();
        assert!(!kept.any, "it is as the folder says");
    }
}
