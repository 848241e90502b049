//! Keeps the schedules that models' folders ask for as the live versions say them: made, changed and removed with the folder.
//! Does not decide what has to change (core does), and leaves those alone that people made.

use crate::{catalog::Catalog, parts::Parts};
use onstage_core::{
    Id, Kind, ModelName, Result,
    config::SchedulesSection,
    model::VersionId,
    ports::Page,
    schedule::{
        Schedule,
        folder::{Change, changes},
    },
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};
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
            match keep(&parts, &news).await {
                Ok(any) => {
                    let same = news.into_iter();
                    done.extend(same.map(|(model, (version, _))| (model, version)));
                    if any {
                        nudged.notify_one();
                    }
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

/// Whether anything was changed.
async fn keep(parts: &Parts, wanted: &Live) -> Result<bool> {
    let there = all(parts).await?;
    let now = parts.clock.now();
    let mut any = false;
    for (model, (_, section)) in wanted {
        let id_of = |name: &str| id_of(model, name);
        let known = there.get(model).map_or(&[][..], Vec::as_slice);
        for change in changes(model, section, known, id_of, now) {
            any = true;
            match make(parts, change).await {
                // Another front was first, a tick came, or the model is gone: what is left is seen by the next look.
                Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => {
                    tracing::debug!(%model, %error, "a schedule was changed by others");
                }
                made => made?,
            }
        }
    }
    Ok(any)
}

async fn make(parts: &Parts, change: Change) -> Result<()> {
    match change {
        Change::Add(new) => {
            tracing::info!(schedule = %new.id, model = %new.model, "a folder asks for a schedule");
            parts.store.add_schedule(new).await
        }
        Change::Update(next) => {
            tracing::info!(schedule = %next.id, model = %next.model, "a folder asks for another schedule");
            parts.store.update_schedule(next).await.map(drop)
        }
        Change::Remove(id) => {
            tracing::info!(schedule = %id, "a folder asks for a schedule no more");
            parts.store.remove_schedule(&id).await
        }
    }
}

async fn all(parts: &Parts) -> Result<BTreeMap<ModelName, Vec<Schedule>>> {
    let mut all: BTreeMap<ModelName, Vec<Schedule>> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = Page {
            after,
            limit: PAGE_SCHEDULES,
        };
        let read = parts.store.schedules(None, page).await?;
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
