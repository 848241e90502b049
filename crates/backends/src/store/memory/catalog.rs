//! Models and versions in memory.
//! Must not know how a version is built.

use super::{MemoryStore, State};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, ModelName, Result,
    model::{Model, NewVersion, Version, VersionId, VersionState},
    ports::{Catalog, Listed, Page},
};

#[async_trait]
impl Catalog for MemoryStore {
    async fn ensure_model(&self, model: Model) -> Result<Model> {
        let mut state = self.lock();
        if let Some(known) = state.models.get(&model.name) {
            return Ok(known.clone());
        }
        state.models.insert(model.name.clone(), model.clone());
        state.catalog_changed();
        Ok(model)
    }

    async fn model(&self, name: &ModelName) -> Result<Option<Model>> {
        Ok(self.lock().models.get(name).cloned())
    }

    async fn models(&self, page: Page<String>) -> Result<Listed<Model, String>> {
        let state = self.lock();
        let later = |model: &&Model| {
            page.after
                .as_deref()
                .is_none_or(|after| model.name.to_string().as_str() > after)
        };
        let mut models: Vec<Model> = state.models.values().filter(later).cloned().collect();
        models.sort_by_key(|model| model.name.to_string());
        let more = models.len() > page.limit as usize;
        models.truncate(page.limit as usize);
        let last = models.last().filter(|_| more);
        Ok(Listed {
            next: last.map(|model| model.name.to_string()),
            rows: models,
        })
    }

    async fn update_model(&self, model: Model) -> Result<Model> {
        let mut state = self.lock();
        let State {
            models, versions, ..
        } = &mut *state;
        let known = models
            .get_mut(&model.name)
            .ok_or_else(|| rules::no_model(&model.name))?;
        let next = rules::next_model(known, model)?;
        if let Some(live) = next.live.as_ref().filter(|_| next.live != known.live) {
            rules::check_live(&next.name, live, versions.get(live))?;
        }
        for (alias, to) in rules::moved_aliases(known, &next) {
            rules::check_alias(&next.name, (alias, to), versions.get(&to.version))?;
        }
        *known = next.clone();
        state.catalog_changed();
        Ok(next)
    }

    async fn delete_model(&self, name: &ModelName) -> Result<()> {
        let mut state = self.lock();
        if !state.models.contains_key(name) {
            return Err(rules::no_model(name));
        }
        let open = |job: &&onstage_core::job::Job| job.model == *name && !job.state.is_final();
        if state.jobs.values().any(|job| open(&job)) {
            return Err(rules::model_busy(name));
        }
        remove_model(&mut state, name);
        state.catalog_changed();
        Ok(())
    }

    async fn add_version(&self, new: NewVersion) -> Result<(Version, bool)> {
        self.lock().add_version(new)
    }

    async fn version(&self, id: &VersionId) -> Result<Option<Version>> {
        Ok(self.lock().versions.get(id).cloned())
    }

    async fn versions(&self, model: &ModelName) -> Result<Vec<Version>> {
        let state = self.lock();
        let of_model = |version: &&Version| version.model == *model;
        let mut versions: Vec<Version> =
            state.versions.values().filter(of_model).cloned().collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        Ok(versions)
    }

    async fn building(&self) -> Result<Vec<Version>> {
        let state = self.lock();
        let building = |version: &&Version| matches!(version.state, VersionState::Building { .. });
        let mut versions: Vec<Version> =
            state.versions.values().filter(building).cloned().collect();
        versions.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(versions)
    }

    async fn set_version_state(&self, id: &VersionId, to: VersionState) -> Result<Version> {
        let mut state = self.lock();
        let State {
            models, versions, ..
        } = &mut *state;
        let version = versions
            .get_mut(id)
            .ok_or_else(|| Error::not_found(format!("version `{id}` does not exist")))?;
        rules::check_version_step(version, &to)?;
        let model = models.get(&version.model);
        if let Some(model) = model.filter(|_| matches!(to, VersionState::Deleted)) {
            rules::check_unused(model, version)?;
        }
        version.state = to;
        let version = version.clone();
        state.catalog_changed();
        Ok(version)
    }

    async fn catalog_revision(&self) -> Result<u64> {
        Ok(self.lock().catalog_revision)
    }
}

impl State {
    pub(super) fn check_model(&self, name: &ModelName) -> Result<()> {
        match self.models.contains_key(name) {
            true => Ok(()),
            false => Err(rules::no_model(name)),
        }
    }

    pub(super) fn add_version(&mut self, new: NewVersion) -> Result<(Version, bool)> {
        self.check_model(&new.model)?;
        if let Some(known) = self.versions.get_mut(&new.id) {
            if let Some(again) = rules::version_again(known, new)? {
                *known = again;
                let version = known.clone();
                self.catalog_changed();
                return Ok((version, false));
            }
            return Ok((known.clone(), false));
        }
        let of_model = |version: &&Version| version.model == new.model;
        let numbers = self.versions.values().filter(of_model);
        let number = numbers.map(|version| version.number).max().unwrap_or(0) + 1;
        let version = rules::first_version(new, number);
        self.versions.insert(version.id.clone(), version.clone());
        self.catalog_changed();
        Ok((version, true))
    }
}

fn remove_model(state: &mut State, name: &ModelName) {
    state.models.remove(name);
    state.runs.remove(name);
    state.versions.retain(|_, version| version.model != *name);
    state.schedules.retain(|_, row| row.model != *name);
    state.predictions.retain(|_, row| row.model != *name);
    state.feedback.retain(|_, row| row.model != *name);
    let of_model = |job: &&onstage_core::job::Job| job.model == *name;
    let jobs: Vec<_> = state
        .jobs
        .values()
        .filter(of_model)
        .map(|job| job.id.clone())
        .collect();
    for id in jobs {
        state.remove_job(&id);
    }
}
