//! The in-memory store: the reference of the `Store` port, one locked state and the pure rules of the lifecycle.
//! Must not know SQL; what it answers is what every other store has to answer.

mod catalog;
mod datasets;
mod due;
mod jobs;
mod outbox;
mod people;
mod predictions;
mod schedules;
mod shares;
mod state;
mod tasks;
mod trainings;
mod uploads;
mod usage;

use onstage_core::{
    Id, ModelName, Timestamp,
    batch::Chunk,
    dataset::DatasetName,
    event::Event,
    feedback::Feedback,
    file::File,
    job::Job,
    model::{Model, Version, VersionId},
    people::Credential,
    ports::{Cursor, Listed, Page},
    prediction::PredictionRecord,
    schedule::Schedule,
    shares::Shares,
    task::Task,
    training::Checkpoint,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(super) use outbox::{page_length, taken_by_another};

/// Everything in one lock, held only for the length of a verb.
#[derive(Default)]
pub(super) struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    catalog_revision: u64,
    models: BTreeMap<ModelName, Model>,
    versions: HashMap<VersionId, Version>,
    jobs: BTreeMap<Id, Job>,
    checkpoints: BTreeMap<(Id, u32), Checkpoint>,
    chunks: BTreeMap<(Id, u64), Chunk>,
    shares: BTreeMap<Id, Shares>,
    /// When each person's last turn was.
    turns: HashMap<(VersionId, Id), u64>,
    messages: outbox::Messages,
    events: HashMap<Id, Vec<Event>>,
    keys: HashMap<(String, String), KnownKey>,
    schedules: BTreeMap<Id, Schedule>,
    tasks: BTreeMap<Id, Task>,
    predictions: BTreeMap<Id, PredictionRecord>,
    runs: HashMap<ModelName, u64>,
    credentials: BTreeMap<Id, Credential>,
    feedback: BTreeMap<Id, Feedback>,
    files: BTreeMap<Id, File>,
    uploads: BTreeMap<Id, uploads::Known>,
    datasets: BTreeMap<DatasetName, datasets::Versions>,
    state: BTreeMap<(String, String), String>,
    usage: BTreeMap<usage::Key, onstage_core::usage::Amounts>,
}

/// An idempotency key that was used.
struct KnownKey {
    job: Id,
    body_sha256: String,
    created_at: Timestamp,
}

impl MemoryStore {
    /// A verb that panicked half way must not take the store with it, so a poisoned lock is taken over.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn catalog_changed(&mut self) {
        self.catalog_revision += 1;
    }

    fn count_runs(&mut self, model: &ModelName, runs: u64) {
        *self.runs.entry(model.clone()).or_default() += runs;
    }
}

/// A page of a table, newest first by the time that `time` names, of the rows that `fits`.
fn newest<T: Clone>(
    rows: &BTreeMap<Id, T>,
    page: &Page,
    time: impl Fn(&T) -> Timestamp,
    fits: impl Fn(&T) -> bool,
) -> Listed<T> {
    let mut found: Vec<(Cursor, &T)> = rows
        .iter()
        .filter(|(_, row)| fits(row))
        .map(|(id, row)| (Cursor::of(time(row), id), row))
        .filter(|(at, _)| page.after.as_ref().is_none_or(|after| at < after))
        .collect();
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    let limit = page.limit as usize;
    let more = found.len() > limit;
    found.truncate(limit);
    Listed {
        next: found.last().filter(|_| more).map(|(at, _)| at.clone()),
        rows: found.into_iter().map(|(_, row)| row.clone()).collect(),
    }
}
