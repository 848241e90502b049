//! Datasets in memory.
//! Must not touch the bytes.

use super::{MemoryStore, State};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Result,
    dataset::{Dataset, DatasetName, DatasetRef, DatasetVersion, NewDatasetVersion},
    job::Job,
    ports::{Datasets, Listed, Page},
    value::BlobRef,
};
use std::collections::BTreeMap;

/// The versions of a dataset, by number.
#[derive(Default)]
pub(super) struct Versions {
    last_number: u32,
    there: BTreeMap<u32, DatasetVersion>,
}

impl Versions {
    fn newest(&self) -> Option<&DatasetVersion> {
        self.there.last_key_value().map(|(_, version)| version)
    }

    fn shown(&self) -> Option<Dataset> {
        self.newest().map(|newest| Dataset {
            newest: newest.clone(),
            versions: self.there.len() as u32,
        })
    }
}

#[async_trait]
impl Datasets for MemoryStore {
    async fn add_dataset_version(&self, new: NewDatasetVersion) -> Result<(DatasetVersion, bool)> {
        let mut state = self.lock();
        let blob = state.blob_like(&new.blob);
        let versions = state.datasets.entry(new.dataset.clone()).or_default();
        if let Some(newest) = versions.newest().filter(|newest| newest.is_same(&new)) {
            return Ok((newest.clone(), false));
        }
        versions.last_number += 1;
        let version = NewDatasetVersion {
            blob: blob.unwrap_or_else(|| new.blob.clone()),
            ..new
        }
        .numbered(versions.last_number);
        versions.there.insert(version.number, version.clone());
        Ok((version, true))
    }

    async fn dataset(&self, name: &DatasetName) -> Result<Option<Dataset>> {
        Ok(self.lock().datasets.get(name).and_then(Versions::shown))
    }

    async fn dataset_version(&self, which: &DatasetRef) -> Result<Option<DatasetVersion>> {
        Ok(self.lock().dataset_version(which).cloned())
    }

    async fn datasets(&self, page: Page<String>) -> Result<Listed<Dataset, String>> {
        let state = self.lock();
        let after = page.after.as_deref();
        let later = state.datasets.iter();
        let later = later.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let all = later.filter_map(|(_, versions)| versions.shown());
        Ok(cut(all, page.limit, |dataset| {
            dataset.newest.dataset.to_string()
        }))
    }

    async fn dataset_versions(
        &self,
        name: &DatasetName,
        page: Page<u32>,
    ) -> Result<Listed<DatasetVersion, u32>> {
        let state = self.lock();
        let versions = state.datasets.get(name);
        let all = versions.into_iter().flat_map(|of| of.there.values().rev());
        let older = all.filter(|version| page.after.is_none_or(|after| version.number < after));
        Ok(cut(older.cloned(), page.limit, |version| version.number))
    }

    async fn remove_dataset_version(&self, which: &DatasetRef) -> Result<(DatasetVersion, bool)> {
        let mut state = self.lock();
        let found = state.dataset_version(which).cloned();
        let version = found.ok_or_else(|| rules::no_dataset(which))?;
        let exactly = version.reference();
        let uses = |job: &&Job| job.spec.datasets().contains(&&exactly);
        if let Some(job) = state.jobs.values().find(uses) {
            return Err(rules::dataset_in_use(&exactly, &job.id));
        }
        if let Some(versions) = state.datasets.get_mut(&version.dataset) {
            versions.there.remove(&version.number);
        }
        let mut kept = state.datasets.values().flat_map(|of| of.there.values());
        let last = !kept.any(|other| other.blob.key == version.blob.key);
        Ok((version, last))
    }
}

impl State {
    pub(super) fn dataset_version(&self, which: &DatasetRef) -> Option<&DatasetVersion> {
        let versions = self.datasets.get(&which.name)?;
        match which.number {
            Some(number) => versions.there.get(&number),
            None => versions.newest(),
        }
    }

    /// Where equal bytes are kept.
    fn blob_like(&self, blob: &BlobRef) -> Option<BlobRef> {
        let mut all = self.datasets.values().flat_map(|of| of.there.values());
        let found = all.find(|version| version.blob.sha256 == blob.sha256);
        found.map(|version| version.blob.clone())
    }
}

/// The first rows as a page.
fn cut<T, C>(rows: impl Iterator<Item = T>, limit: u32, place: impl Fn(&T) -> C) -> Listed<T, C> {
    let limit = limit as usize;
    let mut rows: Vec<T> = rows.take(limit + 1).collect();
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(place);
    Listed { rows, next }
}
