//! Sums of usage, in memory.
//! Must not know what they are used for.

use super::MemoryStore;
use async_trait::async_trait;
use onstage_core::{
    Id, ModelName, Result, Timestamp,
    limits::USAGE_ROWS_MAX,
    ports::UsageBook,
    usage::{Amounts, Dimension, Usage, UsageFilter, UsageKind, UsageSum},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// What a row is about; newest days first.
pub(super) type Key = (Reverse<Timestamp>, ModelName, u32, Id, UsageKind);

#[async_trait]
impl UsageBook for MemoryStore {
    async fn add_usage(&self, usage: Vec<Usage>) -> Result<()> {
        let mut state = self.lock();
        for one in usage {
            let key = (
                Reverse(one.day),
                one.model,
                one.version_number,
                one.by,
                one.kind,
            );
            *state.usage.entry(key).or_default() += one.amounts;
        }
        Ok(())
    }

    async fn usage(&self, filter: &UsageFilter, by: &[Dimension]) -> Result<Vec<UsageSum>> {
        let state = self.lock();
        let mut sums: BTreeMap<_, Amounts> = BTreeMap::new();
        for ((day, model, version, who, kind), amounts) in &state.usage {
            let fits = filter.since.is_none_or(|since| day.0 >= since)
                && filter.until.is_none_or(|until| day.0 < until)
                && filter.model.as_ref().is_none_or(|wanted| wanted == model);
            if !fits {
                continue;
            }
            let told = |dimension| by.contains(&dimension);
            let key = (
                told(Dimension::Day).then_some(*day),
                told(Dimension::Model).then(|| model.clone()),
                told(Dimension::Version).then_some(*version),
                told(Dimension::Person).then(|| who.clone()),
                told(Dimension::Kind).then_some(*kind),
            );
            *sums.entry(key).or_default() += *amounts;
        }
        Ok(sums
            .into_iter()
            .take(USAGE_ROWS_MAX)
            .map(
                |((day, model, version_number, by, kind), amounts)| UsageSum {
                    day: day.map(|day| day.0),
                    model,
                    version_number,
                    by,
                    kind,
                    amounts,
                },
            )
            .collect())
    }
}
